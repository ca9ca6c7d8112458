"""The node type ``table_time_check``: passes when a table has a row after a point in time.

Source: flow-spec, *table_time_check*; DMS reference, section 1.7, which does not say whether DMS waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dms_provider.sensors.waiting import DEFAULT_POKE_INTERVAL, WaitedInVain, WaitingOperator
from dms_provider.variables.scope import FlowScope

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dms_provider.sensors.newer_rows import NewerRows
    from dms_provider.sensors.table_look import TableLook
    from dms_provider.triggers.table_time_check import TableTimeTrigger

Mode = Literal["wait", "once"]


class TableTimeCheckFailed(WaitedInVain):
    """No row came in time, or nobody could look for one. The message says which."""


class TableTimeCheckSensor(WaitingOperator):
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

    failure = TableTimeCheckFailed
    template_fields: Sequence[str] = ("conn_id", "table", "time_column", "since", "where")
    template_fields_renderers: ClassVar[dict[str, str]] = {"where": "sql"}
    reference_fields: ClassVar[tuple[str, ...]] = ("table", "time_column", "since", "where")
    _since = ""

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
        super().__init__(
            poke_interval=poke_interval,
            deferrable=deferrable,
            scope=scope,
            variables=variables,
            inputs=inputs,
            **kwargs,
        )
        if mode not in ("wait", "once"):
            raise ValueError(f"mode is {mode!r}; write wait or once")
        self.conn_id = self.plain(conn_id)
        self.table = self.plain(table)
        self.time_column = self.plain(time_column)
        self.since = self.plain(since)
        self.time_format = time_format
        self.inclusive = inclusive
        self.where = self.plain(where or "")
        self.mode = mode

    def make_look(self, context: Context) -> TableLook:
        """Return what looks for a row, with the values of this run."""
        from dms_provider.sensors.table_look import TableLook, split_secrets

        rows = self._rows()
        values, secrets = split_secrets(self.resolve(rows.names(), context), self.scope.secrets)
        self._since = rows.shown_since(values)
        return TableLook(conn_id=self.conn_id, owner=self.owner, rows=rows, values=values, secrets=secrets)

    def looked_for(self) -> str:
        """Return which row is looked for."""
        return f"a row of {self.table} {'at or ' if self.inclusive else ''}after {self._since}"

    def trigger_type(self) -> type[TableTimeTrigger]:
        """Return the trigger that looks into the table."""
        from dms_provider.triggers.table_time_check import TableTimeTrigger

        return TableTimeTrigger

    @property
    def looks_once(self) -> bool:
        """Whether the node does not wait."""
        return self.mode == "once"

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
