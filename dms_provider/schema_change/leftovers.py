"""What an unfinished copy has left beside a table of MySQL's family: found and removed by name."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from dms_provider.schema_change.base import SchemaChangeError, Workplace
from dms_provider.schema_change.mysql_tables import MySQLTable, quoted
from dms_provider.sessions.session import DatabaseError, Session

_AGAIN_SECONDS: Final = 0.1
_TRIGGER: Final = (
    "SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = %s"
    " AND event_object_table = %s"
    " AND (LOCATE(%s, action_statement) > 0 OR LOCATE(%s, action_statement) > 0) LIMIT 1"
)


def remove_leftovers(place: Workplace, table: MySQLTable, *, seconds: float) -> None:
    """Remove the copy of a table, and the triggers that fill it; without them, nothing tells of the change.

    Triggers are ours when they write to our tables, tables when they have our name. The copying program must
    have been ended; its connection is, before anything else, so that nothing of it comes late.

    :param seconds: to try for
    :raises SchemaChangeError: something is left; the message says what
    """
    until = time.monotonic() + seconds
    session = place.session
    session.execute("SET SESSION lock_wait_timeout = 1")
    steps = (
        lambda: _end_copier(session, table, until),
        lambda: _drop_triggers(place, session, table),
        lambda: _drop_replaced(place, session, table),
        lambda: _drop_copy(place, session, table),
        lambda: _drop_written(place, session, table),
    )
    for step in steps:
        while (error := _error_of(step)) is not None:
            if time.monotonic() >= until:
                raise SchemaChangeError(_what_is_left(table, error))
            time.sleep(_AGAIN_SECONDS)


def _error_of(step: Callable[[], None]) -> DatabaseError | None:
    try:
        step()
    except DatabaseError as error:
        return error
    return None


def _end_copier(session: Session, table: MySQLTable, until: float) -> None:
    while (found := session.row("SELECT IS_USED_LOCK(%s)", (table.copier_lock,))) and found[0] is not None:
        with suppress(DatabaseError):  # it ended by itself meanwhile, or it is asked for again
            session.execute(f"KILL {int(found[0])}")
        if time.monotonic() >= until:
            raise SchemaChangeError(_what_is_left(table, f"connection {found[0]} of the copy does not end"))
        time.sleep(_AGAIN_SECONDS)


def _drop_triggers(place: Workplace, session: Session, table: MySQLTable) -> None:
    values = (table.database, table.name, table.copy.sql, table.written.sql)
    while (found := session.row(_TRIGGER, values)) is not None:
        trigger = str(found[0])
        session.execute(f"DROP TRIGGER IF EXISTS {quoted(table.database)}.{quoted(trigger)}")
        place.log.info("Removed trigger %s of %s, which belonged to the copy", trigger, table)


def _drop_replaced(place: Workplace, session: Session, table: MySQLTable) -> None:
    # Its triggers go with it. Without the table itself, this would be the only one with the data.
    if table.replaced.exists(session) and table.exists(session):
        session.execute(f"DROP TABLE IF EXISTS {table.replaced.sql}")
        place.log.info("Removed %s, whose place the copy has taken", table.replaced)


def _drop_copy(place: Workplace, session: Session, table: MySQLTable) -> None:
    if table.copy.exists(session):
        session.execute(f"DROP TABLE IF EXISTS {table.copy.sql}")
        place.log.info("Removed %s, the copy that was not finished", table.copy)


def _drop_written(place: Workplace, session: Session, table: MySQLTable) -> None:
    if table.written.exists(session):
        session.execute(f"DROP TABLE IF EXISTS {table.written.sql}")
        place.log.info("Removed %s, the keys of what was written", table.written)


def _what_is_left(table: MySQLTable, why: object) -> str:
    return (
        f"triggers of {table} that write to {table.copy} or {table.written}, these two or {table.replaced}"
        f" may still be there ({why}); the next try removes them. By hand: triggers first, then the tables"
    )
