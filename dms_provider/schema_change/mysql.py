"""Lock-free schema change on MySQL and MariaDB: in place by the server, or by a copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from dms_provider.dialects import Dialect, Mode
from dms_provider.schema_change.base import OFF, LockFree, SchemaChange, SchemaChangeError, Workplace
from dms_provider.schema_change.mysql_locks import LOCK_WAIT_TIMEOUT, holder
from dms_provider.schema_change.mysql_statements import TableChange, read_change
from dms_provider.schema_change.mysql_tables import MySQLTable
from dms_provider.schema_change.online_copy import OnlineCopy
from dms_provider.schema_change.patience import WAIT_SECONDS, deadline, keep_trying
from dms_provider.sessions.session import DatabaseError, Session

_WOULD_LOCK: Final = frozenset({1221, 1799, 1845, 1846})
"""The server cannot do this in the way asked for: wrong usage, log of changes too small, not supported."""

_OF_THE_CONNECTION: Final = range(2000, 3000)
_INTERRUPTED: Final = 1317


class MySQLLockFree(LockFree):
    """``ALGORITHM=INSTANT``, else ``INPLACE`` with ``LOCK=NONE``, else pt-online-schema-change."""

    def recognise(self, sql: str, dialect: Dialect, mode: Mode) -> TableChange | None:
        return read_change(sql, dialect, mode)

    def run(self, change: SchemaChange, place: Workplace) -> None:
        assert isinstance(change, TableChange)
        until = deadline(place)
        with _bounded_waits(place.session):
            table = MySQLTable.find(place.session, change.table)
            if table.is_temporary(place.session):
                place.log.info("%s is a temporary table, the statement runs as it is", table)
                place.session.execute(change.sql)
                return
            refused = self._in_place(change, table, place, until)
            if refused is None:
                return
            if change.copied is None:
                raise SchemaChangeError(
                    f"it cannot be done without a lock: the server says {refused}, and"
                    f" pt-online-schema-change may not: {change.not_copied}. Change the statement, or {OFF}"
                )
            OnlineCopy(change.copied, table, place, until).run()

    def _in_place(
        self, change: TableChange, table: MySQLTable, place: Workplace, until: float
    ) -> DatabaseError | str | None:
        """Let the server do it; return why it would not without a lock, ``None`` if it is done."""
        attempts = change.attempts
        if change.by_rules_of_partitions:
            method = table.partition_method(place.session)
            if method and not method.startswith(("RANGE", "LIST")):
                return f"that rows move when there is one more partition by {method}"
            attempts = (change.sql,)
        refused: DatabaseError | str = "no way in place is known"
        for number, sql in enumerate(attempts, 1):
            try:
                keep_trying(
                    place,
                    lambda sql=sql: place.session.execute(sql),  # type: ignore[misc]  # its type is clear
                    table=str(table),
                    until=until,
                    gave_up=lambda error: error.code == LOCK_WAIT_TIMEOUT,
                    holder=lambda: holder(place.session, table),
                )
            except DatabaseError as error:  # noqa: PERF203  # a few statements
                if sql == change.sql or _ends_all(error, is_last=number == len(attempts)):
                    raise
                refused = error
                place.log.info("Not in this way: %s", error)
            else:
                place.log.info("Done as: %s", place.source.redactor.redact(sql))
                return None
        return refused


def _ends_all(error: DatabaseError, *, is_last: bool) -> bool:
    """Whether no other way would help. One that never locks can be tried after any refusal."""
    if isinstance(error.code, int) and (error.code in _OF_THE_CONNECTION or error.code == _INTERRUPTED):
        return True
    return is_last and error.code not in _WOULD_LOCK


@contextmanager
def _bounded_waits(session: Session) -> Iterator[None]:
    """Let no statement wait for the lock of a table for long; readers and writers would wait behind it."""
    (before,) = session.first_row("SELECT @@SESSION.lock_wait_timeout")
    session.execute(f"SET SESSION lock_wait_timeout = {WAIT_SECONDS}")
    try:
        yield
    finally:
        if session.usable:
            with suppress(DatabaseError):  # the connection may be what failed
                session.execute(f"SET SESSION lock_wait_timeout = {int(before)}")
