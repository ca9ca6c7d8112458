"""Lock-free schema change on PostgreSQL: indexes concurrently, short waits for the locks of all else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from dms_provider.dialects import Dialect, Mode
from dms_provider.schema_change.base import OFF, LockFree, SchemaChange, SchemaChangeError, Workplace
from dms_provider.schema_change.invalid_indexes import Unfinished, warn_of_others
from dms_provider.schema_change.patience import WAIT_SECONDS, deadline, keep_trying
from dms_provider.schema_change.postgres_statements import DatabaseChange, read_change
from dms_provider.sessions.session import DatabaseError, Session

_LOCK_NOT_AVAILABLE: Final = "55P03"
_NOT_SUPPORTED: Final = "0A000"
_IS_PARTITIONED: Final = "SELECT 1 FROM pg_class WHERE oid = to_regclass(%s) AND relkind = 'p'"
_CLEANING_MILLISECONDS_WHEN_STOPPED: Final = 1500
"""Airflow ends a task 5 seconds after it was told to stop."""
_CLEANING_MILLISECONDS: Final = 60_000
_WITH_PARTITIONS: Final = (
    "For an index of a partitioned table: CREATE INDEX name ON ONLY it, CREATE INDEX on each partition, then"
    " ALTER INDEX name ATTACH PARTITION for each of these"
)
_HOLDER: Final = """
SELECT a.pid, coalesce(a.usename, '?'), coalesce(a.application_name, ''),
    coalesce(extract(epoch FROM now() - a.xact_start)::bigint, 0)
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.relation = to_regclass(%s) AND l.granted AND l.pid <> pg_backend_pid() ORDER BY a.xact_start LIMIT 1
"""


class PostgresLockFree(LockFree):
    """CREATE INDEX, REINDEX and DROP INDEX go CONCURRENTLY; an ALTER waits for its lock in short tries."""

    def recognise(self, sql: str, dialect: Dialect, mode: Mode) -> DatabaseChange | None:
        return read_change(sql, dialect, mode)

    def run(self, change: SchemaChange, place: Workplace) -> None:
        assert isinstance(change, DatabaseChange)
        if change.kind == "alter":
            self._bounded(change.runs, change, place)
        elif change.without_partitions and place.session.row(_IS_PARTITIONED, (change.table,)):
            place.log.info("A partitioned table has no rows of its own: as it is, with a bounded wait")
            self._bounded(change.sql, change, place)
        else:
            self._concurrently(change, place)

    def _bounded(self, sql: str, change: DatabaseChange, place: Workplace) -> None:
        with _lock_timeout(place.session, f"{WAIT_SECONDS}s"):
            keep_trying(
                place,
                lambda: place.session.execute(sql),
                table=change.table,
                until=deadline(place),
                gave_up=lambda error: error.code == _LOCK_NOT_AVAILABLE,
                holder=lambda: _holder(place.session, change.table),
            )

    def _concurrently(self, change: DatabaseChange, place: Workplace) -> None:
        unfinished = Unfinished.of(change, place.session)
        if unfinished is not None:
            unfinished.remove(place)
        if change.kind == "create" and not change.index:
            warn_of_others(place, change.table)
        try:
            # Nobody waits behind this wait for a lock, so it need not be short.
            with _lock_timeout(place.session, "0"):
                place.session.execute(change.runs)
        except BaseException as error:
            if unfinished is not None:
                _clean_up(place, unfinished)
            if isinstance(error, DatabaseError) and error.code == _NOT_SUPPORTED:
                advice = _WITH_PARTITIONS if change.kind == "create" else f"To do it all the same, {OFF}"
                raise SchemaChangeError(f"{error}. {advice}") from None
            raise


@contextmanager
def _lock_timeout(session: Session, value: str) -> Iterator[None]:
    (before,) = session.first_row("SELECT current_setting('lock_timeout')")
    session.row("SELECT set_config('lock_timeout', %s, false)", (value,))
    try:
        yield
    finally:
        if session.usable:
            with suppress(DatabaseError):  # a failed transaction takes no statement
                session.row("SELECT set_config('lock_timeout', %s, false)", (str(before),))


def _holder(session: Session, table: str) -> str:
    try:
        row = session.row(_HOLDER, (table,))
    except DatabaseError:
        return ""
    return "pid {} of {} ({}) holds it, in a transaction begun {} s ago".format(*row) if row else ""


def _clean_up(place: Workplace, unfinished: Unfinished) -> None:
    """Leave no invalid index; in a session of its own, because the node's may have been stopped."""
    usable = place.session.usable
    limit = _CLEANING_MILLISECONDS if usable else _CLEANING_MILLISECONDS_WHEN_STOPPED
    try:
        with Session(place.source) as session:
            session.execute(f"SET statement_timeout = {limit}")
            unfinished.remove(Workplace(place.source, session, place.log))
    except (SchemaChangeError, DatabaseError) as error:
        place.log.error("An invalid index may be left; the next try removes it: %s", error)
