"""A change by a copy of the table, which pt-online-schema-change fills, and which takes the table's place.

The program copies and keeps up, by triggers, with what is written meanwhile. Whether the copy has all rows is
looked at here, and the tables change their places in the node's own session: a copy that lost anything never
becomes the table, and a wait for the last lock is bounded and ends when the node is stopped.

Where the new definition may not have room for every value, the triggers cut values rather than make others'
writes fail; then rows are compared, at the end while nobody writes.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import ceil
from typing import Final

from dms_provider.schema_change.base import OFF, SchemaChangeError, Workplace
from dms_provider.schema_change.client_options import address, option_file
from dms_provider.schema_change.exchange import exchange
from dms_provider.schema_change.leftovers import remove_leftovers
from dms_provider.schema_change.mysql_comparison import Comparison
from dms_provider.schema_change.mysql_locks import LOCK_WAIT_TIMEOUT, holder
from dms_provider.schema_change.mysql_tables import MySQLTable
from dms_provider.schema_change.mysql_values import Doubt
from dms_provider.schema_change.patience import WAIT_SECONDS, keep_trying
from dms_provider.schema_change.program import Program
from dms_provider.sessions.session import DatabaseError, Session, SessionStopped

PROGRAM: Final = "pt-online-schema-change"
_LOCK_SECONDS: Final = 10
_CLEANING_SECONDS: Final = 60.0
_CLEANING_SECONDS_WHEN_STOPPED: Final = 3.5
"""Airflow ends a task 5 seconds after it was told to stop."""
_COUNTS: Final = 5
_COMPARING_SECONDS: Final = 2
"""Writers wait behind the last comparison, as they do behind a wait for a lock."""
_TOOK_TOO_LONG: Final = frozenset({1969, 3024})
_STRICT: Final = frozenset({"STRICT_ALL_TABLES", "STRICT_TRANS_TABLES", "TRADITIONAL"})
_ROWS_IN_ONE_PART: Final = 4000
"""The program copies a table of an estimate of no more rows in one part."""
_ESTIMATES: Final = 4
_ESTIMATE: Final = re.compile(r"Copying approximately (\d+) rows")
_READING: Final = frozenset(
    {"ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "HIGH_NOT_PRECEDENCE", "IGNORE_SPACE", "PIPES_AS_CONCAT"}
    | {"REAL_AS_FLOAT", "MSSQL", "ORACLE"}
)
"""Words of ``sql_mode`` on which it depends what a statement means."""
_SIMPLE_NAME: Final = re.compile(r"[^\x00-\x1f`\"'\\,;:=%./]+")
_LOOK_SECONDS: Final = 15.0
_OF_NO_INTEREST: Final = re.compile(
    r"Operation, tries|(?:analyze_table|copy_rows|(?:create|drop)_triggers|swap_tables|update_foreign_keys), "
    r"|No slaves|Not checking slave|Not dropping|DROP (?:TRIGGER|TABLE) IF|Successfully alt|\(in cleanup\)"
)
"""Its settings, replicas that it is not to look for, and what it leaves for us to do."""


class _TakenForSmall(Exception):
    """The program is about to copy many rows at once."""


class OnlineCopy:
    """One change of one table.

    :param change: what is changed, as it would stand behind ``ALTER TABLE name``
    :param table: to change
    :param until: when to give up, by the monotonic clock
    """

    def __init__(self, change: str, table: MySQLTable, place: Workplace, until: float) -> None:
        self._change, self._table, self._place, self._until = change, table, place, until
        self._session = place.session
        self._log = place.log
        self._waits_for_lock = False
        self._next_look = 0.0
        self._is_large = False
        self._doubt: Doubt | None = None
        self._comparison: Comparison | None = None

    def run(self) -> None:
        """Change the table.

        :raises SchemaChangeError: it could not be done; the table is as it was
        """
        program = shutil.which(PROGRAM)
        if program is None:
            raise SchemaChangeError(
                f"it cannot be done in place without a lock, and {PROGRAM} is not on the PATH of this worker."
                f" Install percona-toolkit there, or {OFF}"
            )
        for name in (self._table.database, self._table.name):
            if not _SIMPLE_NAME.fullmatch(name):
                raise SchemaChangeError(f"{PROGRAM} cannot be given the name {name!r}; rename it, or {OFF}")
        self._refuse_another_reading()
        with self._alone():
            remove_leftovers(self._place, self._table, seconds=_CLEANING_SECONDS)
            self._session.execute(f"SET SESSION lock_wait_timeout = {WAIT_SECONDS}")
            try:
                self._try_definition()
                self._fill_in_parts(program)
                self._compare()
                self._take_its_place()
            except BaseException:
                self._clean_up()
                raise
            self._drop_replaced()

    def _refuse_another_reading(self) -> None:
        """Refuse a change that the program, in a session of its own, would read as another one.

        :raises SchemaChangeError: it would
        """
        with Session(self._place.source) as new:
            changed = sorted(_reading(self._session) ^ _reading(new))
        if changed:
            raise SchemaChangeError(
                f"this session has its own sql_mode ({', '.join(changed)}), under which {PROGRAM} would read"
                f" the statement differently; give sql_mode its former value before it, or {OFF}"
            )

    def _try_definition(self) -> None:
        """Change an empty copy first, to see what the new definition may have no room for.

        :raises SchemaChangeError: rows would have to be compared, and cannot be
        """
        table, copy = self._table, self._table.copy
        self._locked(f"CREATE TABLE {copy.sql} LIKE {table.sql}")
        self._locked(f"ALTER TABLE {copy.sql} {self._change}")
        doubt = Doubt.of(self._session, table, copy)
        if doubt is not None:
            self._log.info(
                "The new definition may not have room for each value of %s: rows will be compared",
                ", ".join(doubt.names),
            )
            Comparison(self._session, table, copy, doubt)
        self._locked(f"DROP TABLE {copy.sql}")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        name = self._table.user_lock
        (got,) = self._session.row("SELECT GET_LOCK(%s, %s)", (name, str(_LOCK_SECONDS))) or (0,)
        if got != 1:
            raise SchemaChangeError(
                f"another node is changing {self._table} at this moment; run this one after it"
            )
        try:
            yield
        finally:
            if self._session.usable:
                self._session.row("SELECT RELEASE_LOCK(%s)", (name,))

    def _fill_in_parts(self, path: str) -> None:
        """Copy the table; one that the server takes for small would be copied in one part, under locks."""
        self._is_large = self._table.has_more_rows_than(self._session, _ROWS_IN_ONE_PART)
        for _ in range(_ESTIMATES if self._is_large else 1):
            if self._is_large:
                self._locked(f"ANALYZE TABLE {self._table.sql}")
            try:
                self._fill(path)
            except _TakenForSmall:
                self._log.info("The server's estimate of rows is far too low; it counts again")
            else:
                return
            remove_leftovers(self._place, self._table, seconds=_CLEANING_SECONDS)
            self._session.execute(f"SET SESSION lock_wait_timeout = {WAIT_SECONDS}")
        raise SchemaChangeError(
            f"the server takes {self._table} for small, so that {PROGRAM} would copy it at once, under locks;"
            " run ANALYZE TABLE when it is not being written to"
        )

    def _fill(self, path: str) -> None:
        """Let the program copy the table, and leave the copy and its triggers there."""
        connection = self._place.source.hook.connection
        with option_file(connection, self._first_statement()) as descriptor:
            arguments = self._arguments(path, address(connection), descriptor)
            with Program(arguments, keep_open=descriptor) as program:
                for line in program.lines(self._while_waiting):
                    self._tell(line)
                status = program.wait()
        told = [
            self._place.source.redactor.redact(line)
            for line in program.last_lines
            if not _OF_NO_INTEREST.match(line)
        ]
        if status:
            who = (
                holder(self._session, self._table)
                if any("Lock wait timeout" in line for line in told)
                else ""
            )
            raise SchemaChangeError(
                f"{PROGRAM} could not change {self._table} (exit status {status}){who and '; ' + who}."
                f" It said: {' '.join(told)}"
            )
        if program.warnings:
            raise SchemaChangeError(
                f"the copy would have other values than {self._table}: {' '.join(program.warnings)}."
                " Correct the rows that do not fit, or choose a type that holds them"
            )

    def _first_statement(self) -> str:
        # Triggers keep the mode of their maker: a strict one would have others' writes fail.
        lenient = ",".join(sorted(_modes(self._session) - _STRICT))
        mark = f"GET_LOCK('{self._table.copier_lock}', 0)"
        return f"SET @dms_copier = {mark}, SESSION sql_mode = '{lenient}'"

    def _arguments(self, path: str, parts: dict[str, str], descriptor: int) -> list[str]:
        variables = [f"lock_wait_timeout={WAIT_SECONDS}", "innodb_lock_wait_timeout=1"]
        if self._session.row("SHOW VARIABLES LIKE 'explain_format'"):
            # The program reads the number of rows from the table that EXPLAIN gave in earlier versions.
            variables.append("explain_format=TRADITIONAL")
        tries = max(1, int((self._until - time.monotonic()) / (2 * WAIT_SECONDS)))
        dsn = {
            "D": self._table.database,
            "t": self._table.name,
            "F": f"/proc/self/fd/{descriptor}",
            **parts,
        }
        return [
            path,
            *("--config", "/dev/null"),
            "--execute",
            *("--alter", self._change),
            *("--new-table-name", self._table.copy.name),
            *("--no-swap-tables", "--no-drop-triggers", "--no-drop-new-table", "--no-drop-old-table"),
            *("--recursion-method", "none"),
            "--no-version-check",
            *("--chunk-time", "0.1"),
            *("--progress", "time,5"),
            *("--set-vars", ",".join(variables)),
            *("--tries", f"create_triggers:{tries}:{WAIT_SECONDS}"),
            ",".join(f"{key}={value.replace(',', chr(92) + ',')}" for key, value in dsn.items()),
        ]

    def _tell(self, line: str) -> None:
        if _OF_NO_INTEREST.match(line):
            return
        self._waits_for_lock = "Creating triggers" in line or (
            self._waits_for_lock and "triggers" not in line
        )
        self._log.info("%s: %s", PROGRAM, self._place.source.redactor.redact(line))
        if self._is_large and (found := _ESTIMATE.search(line)) and int(found[1]) <= _ROWS_IN_ONE_PART:
            raise _TakenForSmall

    def _while_waiting(self) -> None:
        """Look after the session, which holds the lock of who copies; say who keeps the program waiting."""
        if self._session.stopped:
            raise SessionStopped(self._place.source.conn_id)
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_SECONDS
        own = self._session.row("SELECT IS_USED_LOCK(%s) = CONNECTION_ID()", (self._table.user_lock,))
        if own is None or own[0] != 1:
            raise SchemaChangeError(f"the lock of who copies {self._table} was lost; the copy is given up")
        if self._waits_for_lock and (who := holder(self._session, self._table)):
            self._log.info("The triggers need a lock on %s: %s", self._table, who)
        if time.monotonic() > self._until:
            raise SchemaChangeError(
                f"{self._table} could not be copied in the time that a statement may take"
            )

    def _compare(self) -> None:
        """Look whether the copy has as many rows as the table, and the same, seen at one moment.

        :raises SchemaChangeError: it has not
        """
        table, copy = self._table, self._table.copy
        self._doubt = Doubt.of(self._session, table, copy)
        question = f"SELECT (SELECT COUNT(*) FROM {table.sql}), (SELECT COUNT(*) FROM {copy.sql}), 0"
        if self._doubt is not None:
            self._comparison = Comparison(self._session, table, copy, self._doubt)
            for statement in self._comparison.begin:
                self._locked(statement)
            question = self._comparison.of_all
        # Engines without transactions have no common moment, so that a count can be off under writers.
        for _ in range(_COUNTS):
            rows, copied, differing = self._session.first_row(question)
            if rows == copied and not differing:
                self._log.info("The copy has all %d rows", rows)
                return
        if rows == copied:
            raise self._lost(differing)
        raise SchemaChangeError(
            f"the copy has {copied} rows and {table} has {rows}: rows that differ now would be the same"
            " under the new definition, by a unique key. Correct them first"
        )

    def _compare_written(self, question: str) -> None:
        """Look at what was written since, while nobody can write; so it may not take long.

        :raises SchemaChangeError: something is lost, or it took too long
        """
        limits = f"/*M! SET STATEMENT max_statement_time = {_COMPARING_SECONDS} FOR */ SELECT"
        hint = f"{limits} /*+ MAX_EXECUTION_TIME({ceil(_COMPARING_SECONDS * 1000)}) */"
        try:
            (differing,) = self._session.first_row(f"{hint} {question}")
        except DatabaseError as error:
            if error.code not in _TOOK_TOO_LONG:
                raise
            raise SchemaChangeError(
                f"so many rows of {self._table} were written while all were compared that to compare these"
                f" takes more than {_COMPARING_SECONDS} s, in which nobody could write. Run this when less is"
                " written, or choose a definition that holds every value"
            ) from None
        if differing:
            raise self._lost(differing)

    def _lost(self, differing: object) -> SchemaChangeError:
        names = self._doubt.names if self._doubt is not None else ()
        return SchemaChangeError(
            f"{differing} rows of {self._table} would have other values in {', '.join(names)}, or be the"
            " same as others under a unique key. Correct what does not fit, or choose a type that holds it"
        )

    def _take_its_place(self) -> None:
        self._session.execute(f"ANALYZE TABLE {self._table.copy.sql}")
        table, copy, replaced = self._table.sql, self._table.copy.sql, self._table.replaced.sql
        if (compared := self._comparison) is None:
            self._locked(f"RENAME TABLE {table} TO {replaced}, {copy} TO {table}")
        else:
            check = partial(self._compare_written, compared.of_written)
            self._trying(lambda: exchange(self._place, self._table, check, compared.end))
        self._log.info("The copy has taken the place of %s", self._table)

    def _drop_replaced(self) -> None:
        try:
            self._locked(f"DROP TABLE IF EXISTS {self._table.replaced.sql}, {self._table.written.sql}")
        except (SchemaChangeError, DatabaseError) as error:
            self._log.warning(
                "%s is changed, but what it was before is still there as %s, and can be dropped: %s",
                self._table,
                self._table.replaced,
                error,
            )

    def _locked(self, sql: str) -> None:
        self._trying(lambda: self._session.execute(sql))

    def _trying(self, attempt: Callable[[], object]) -> None:
        keep_trying(
            self._place,
            attempt,
            table=str(self._table),
            until=self._until,
            gave_up=lambda error: error.code == LOCK_WAIT_TIMEOUT,
            holder=lambda: holder(self._session, self._table),
        )

    def _clean_up(self) -> None:
        """Leave nothing beside the table; in a session of its own, as the node's may have been stopped."""
        stopped = not self._session.usable
        seconds = _CLEANING_SECONDS_WHEN_STOPPED if stopped else _CLEANING_SECONDS
        try:
            with Session(self._place.source) as session:
                remove_leftovers(
                    Workplace(self._place.source, session, self._log), self._table, seconds=seconds
                )
        except (SchemaChangeError, DatabaseError) as error:
            self._log.error("Could not clean up beside %s: %s", self._table, error)


def _reading(session: Session) -> frozenset[str]:
    return _READING & _modes(session)


def _modes(session: Session) -> frozenset[str]:
    (words,) = session.first_row("SELECT @@SESSION.sql_mode")
    return frozenset(word for word in str(words).upper().split(",") if word)
