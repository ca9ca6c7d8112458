"""The lock-free ways of a connection type, as the table of data sources says."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from dms_provider.data_sources import DATA_SOURCES
from dms_provider.dialects import Dialect, Mode
from dms_provider.schema_change.base import LockFree, Workplace


@cache
def lock_free(conn_type: str) -> LockFree:
    """Return the lock-free ways of a connection type that has some."""
    module, name = (DATA_SOURCES[conn_type].lock_free or "").split(":")
    kind: type[LockFree] = getattr(import_module(f"dms_provider.schema_change.{module}"), name)
    return kind()


def change_lock_free(sql: str, dialect: Dialect, mode: Mode, place: Workplace) -> bool:
    """Carry out a statement in a lock-free way, if it is a change of a table or an index.

    :param sql: one statement, with everything in it
    :param mode: how the session reads SQL
    :return: whether it was; any other statement is still to be run
    :raises SchemaChangeError: it cannot go without a lock, or did not; the table is as it was
    :raises DatabaseError: the server refused it
    """
    ways = lock_free(place.source.conn_type)
    change = ways.recognise(sql, dialect, mode)
    if change is None:
        return False
    place.log.info("Lock-free schema change: %s", change.way)
    ways.run(change, place)
    return True


def way_of(sql: str, conn_type: str, dialect: Dialect, mode: Mode) -> str | None:
    """Return how a change of a table or an index would go, for people; ``None`` for any other statement.

    :raises SchemaChangeError: it would not
    """
    change = lock_free(conn_type).recognise(sql, dialect, mode)
    return change.way if change is not None else None
