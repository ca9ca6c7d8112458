"""The node type ``table_time_check``: passes when a table has a row after a point in time.

Source: flow-spec, *table_time_check*; DMS reference, section 1.7, which does not say whether DMS waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from dms_provider.operators.base import FlowOperator
from dms_provider.variables.scope import FlowScope

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dms_provider.sensors.look import Look
    from dms_provider.sensors.newer_rows import NewerRows

Mode = Literal["wait", "once"]

DEFAULT_POKE_INTERVAL = 60.0
_GRACE = timedelta(seconds=30)
"""The trigger knows why there is no row, so it is given time to say so before Airflow ends it."""


class TableTimeCheckFailed(RuntimeError):
    """No row came in time, or nobody could look for one. The message says which."""


class TableTimeCheckSensor(FlowOperator):
    """Succeed when a row of a table lies after a point in time.

    The first look is made on the worker. If there is no row yet, the node waits in the triggerer and looks
    again and again, until ``execution_timeout`` from its first look. A database that is down or busy
    meanwhile is asked again; what cannot work later either, such as a table that does not exist, fails the
    node at once.

    :param conn_id: Airflow connection of the data source
    :param table: the table, as the database's catalogue has it; ``schema.table`` for one in another schema
    :param time_column: the column that is compared
    :param since: a point in time, ``yyyy-MM-dd`` or ``yyyy-MM-dd HH:mm:ss``, or a number
    :param time_format: how the column holds time: ``epoch``, ``epoch_ms`` or a time pattern; ``None`` for a
        type of the database
    :param inclusive: a row at ``since`` itself counts too
    :param where: one expression in SQL that says which rows count; ``None`` for all
    :param poke_interval: seconds between two looks
    :param mode: ``wait``, or look ``once`` and fail if there is no row
    :param deferrable: wait in the triggerer; otherwise on the worker
    :param scope: what every node of the flow can name
    :param variables: node variables: pattern of each name
    :param inputs: outputs of upstream nodes: the task id that gives each name
    """

    ui_color = "#e8e4f5"
    template_fields: Sequence[str] = ("conn_id", "table", "time_column", "since", "where")
    template_fields_renderers: ClassVar[dict[str, str]] = {"where": "sql"}
    reference_fields: ClassVar[tuple[str, ...]] = ("table", "time_column", "since", "where")
    _look: Look | None = None
    _stop: threading.Event | None = None
    _killed = False

    def __init__(
        self,
        *,
        conn_id: str,
        table: str,
        time_column: str,
        since: str,
        time_format: str | None = None,
        inclusive: bool = False,
        where: str | None = None,
        poke_interval: float = DEFAULT_POKE_INTERVAL,
        mode: Mode = "wait",
        deferrable: bool = True,
        scope: FlowScope | None = None,
        variables: Mapping[str, str] | None = None,
        inputs: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope=scope, variables=variables, inputs=inputs, **kwargs)
        if mode not in ("wait", "once"):
            raise ValueError(f"mode is {mode!r}; write wait or once")
        self.conn_id = self.plain(conn_id)
        self.table = self.plain(table)
        self.time_column = self.plain(time_column)
        self.since = self.plain(since)
        self.time_format = time_format
        self.inclusive = inclusive
        self.where = self.plain(where or "")
        self.poke_interval = poke_interval
        self.mode = mode
        self.deferrable = deferrable

    def do_work(self, context: Context) -> None:
        """Look for a row, and wait for one.

        :raises TableTimeCheckFailed: there is none, and the node does not wait; or nobody could look
        """
        from dms_provider.sensors.look import Look, split_secrets

        begin = time.time()
        rows = self._rows()
        values, secrets = split_secrets(self.resolve(rows.names(), context), self.scope.secrets)
        stop = self._stop = threading.Event()
        look = self._look = Look(
            conn_id=self.conn_id, owner=self.owner, rows=rows, values=values, secrets=secrets
        )
        if self._killed:
            self.on_kill()
        looked_for = f"a row of {self.table} {'at or ' if self.inclusive else ''}after {self.since}"
        self.log.info("Looking for %s on %s", looked_for, self.conn_id)
        while not self._has_row(look):
            if self.mode == "once":
                raise TableTimeCheckFailed(f"there is no {looked_for.removeprefix('a ')}, and mode is once")
            if self.deferrable:
                self._wait_in_triggerer(look, looked_for, begin)
            self.log.info("Not there yet; looking again in %g s", self.poke_interval)
            stop.wait(self.poke_interval)
        self.log.info("Found %s", looked_for)

    def resume(self, context: Context, event: Mapping[str, Any]) -> None:
        """End the node as its trigger says.

        :param event: of :class:`~dms_provider.triggers.table_time_check.TableTimeTrigger`
        :raises TableTimeCheckFailed: no row came in time, or nobody could look for one
        """
        if event["problem"] is not None:
            raise TableTimeCheckFailed(event["problem"])
        self.log.info("Found %s", event["found"])

    def describe(self, context: Context) -> None:
        """Log the query that would look for a row.

        The connection's record is read, and no connection opened. Outputs of other nodes stay ``${name}``.

        :raises SourceError: the connection cannot be used, or is not there
        :raises WrongCheck: what the node looks for cannot be asked of the database
        :raises RefusedValue: data may not stand where its reference stands
        """
        from dms_provider.dialects import dialect, substitute
        from dms_provider.sessions.source import find_source

        source = find_source(self.conn_id, owner=self.owner, timeout=self.execution_timeout)
        language = dialect(source.conn_type)
        mode = language.default_mode
        rows = self._rows()
        query = rows.query(self.known(rows.names(), context), language, mode, keep_unknown=True)
        often = "once" if self.mode == "once" else f"every {self.poke_interval:g} s, until there is a row"
        self.log.info("Would ask %s, %s:\n%s", self.conn_id, often, substitute(query, language, mode))

    def on_kill(self) -> None:
        """Stop the look, on the server itself. Airflow calls this when the task is to end."""
        self._killed = True
        if self._stop is not None:
            self._stop.set()
        if self._look is not None:
            # A signal can come while this thread holds the lock of its log; waiting for it would never end.
            note = ("Told to stop: cancelling what runs on %s", self.conn_id)
            threading.Thread(target=self.log.info, args=note, daemon=True).start()
            self._look.kill()

    def _rows(self) -> NewerRows:
        from dms_provider.sensors.newer_rows import NewerRows

        return NewerRows(
            table=self.as_written("table"),
            time_column=self.as_written("time_column"),
            since=self.as_written("since"),
            where=self.as_written("where"),
            time_format=self.time_format,
            inclusive=self.inclusive,
            timezone=self.scope.timezone,
        )

    def _has_row(self, look: Look) -> bool:
        from dms_provider.sensors.look import LookFailed

        problem: str | None = None
        try:
            has_row = look.has_row(self.execution_timeout)
        except LookFailed as error:
            if self.mode == "once" or not error.may_pass:
                problem = str(error)
            else:
                self.log.warning("Could not look: %s", error)
            has_row = False
        if problem is not None:
            raise TableTimeCheckFailed(problem)
        for note in look.take_notes():
            self.log.warning("%s: %s", self.conn_id, note)
        return has_row

    def _wait_in_triggerer(self, look: Look, looked_for: str, begin: float) -> NoReturn:
        from dms_provider.triggers.table_time_check import TableTimeTrigger

        deadline: float | None = None
        timeout: timedelta | None = None
        if self.execution_timeout is not None:
            deadline = begin + self.execution_timeout.total_seconds()
            timeout = timedelta(seconds=max(deadline - time.time(), 0)) + _GRACE
        self.log.info("Not there yet; waiting in the triggerer, looking every %g s", self.poke_interval)
        trigger = TableTimeTrigger(
            look=look.to_json(), looked_for=looked_for, poke_interval=self.poke_interval, deadline=deadline
        )
        self.defer(trigger=trigger, method_name="resume", timeout=timeout)
