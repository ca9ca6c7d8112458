"""A copy takes the place of its table while nobody writes: what was written last has been looked at, too.

Not every server lets who has locked a table rename it. So the name is changed by a second session, which is
the first in the queue when the lock is given back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from dms_provider.schema_change.base import SchemaChangeError, Workplace
from dms_provider.schema_change.mysql_tables import MySQLTable
from dms_provider.schema_change.patience import WAIT_SECONDS
from dms_provider.sessions.session import DatabaseError, Session

_QUEUED: Final = (
    "SELECT 1 FROM information_schema.processlist WHERE id = %s AND state LIKE 'Waiting for table%%lock'"
)
_QUEUED_SECONDS: Final = 1.0
_STEP_SECONDS: Final = 0.01


def exchange(place: Workplace, table: MySQLTable, check: Callable[[], None], end: Sequence[str]) -> None:
    """Lock a table and its copy, look at them once more, and let the copy take the table's place.

    :param check: looks, by the node's session, at the table ``o``, its copy ``n`` and the keys ``l`` that
        were written; what it raises leaves everything in its place
    :param end: statements that are run when the check is done
    :raises SchemaChangeError: the server did not change the names, although it had locked the tables
    :raises DatabaseError: a lock was not to be had in time
    """
    session, replaced = place.session, table.replaced.sql
    names = f"{table.sql} TO {replaced}, {table.copy.sql} TO {table.sql}"
    with Session(place.source) as second, _locked_tables(session, table):
        check()
        try:
            for statement in end:
                session.execute(statement)
            _rename(session, second, names, replaced)
        except DatabaseError as error:
            raise SchemaChangeError(f"{table.copy} could not take the place of {table}: {error}") from None


def _rename(session: Session, second: Session, names: str, replaced: str) -> None:
    second.execute(f"SET SESSION lock_wait_timeout = {WAIT_SECONDS}")
    (number,) = second.first_row("SELECT CONNECTION_ID()")
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(second.execute, f"RENAME TABLE {names}")
        try:
            _wait_for_queue(session, str(number), done)
            # As long as this table is there, the change of names fails, should the lock be lost.
            session.execute(f"DROP TABLE {replaced}")
            session.execute("UNLOCK TABLES")
        except BaseException:
            second.kill()
            raise
        done.result()


@contextmanager
def _locked_tables(session: Session, table: MySQLTable) -> Iterator[None]:
    copy, replaced, written = table.copy.sql, table.replaced.sql, table.written.sql
    session.execute(f"CREATE TABLE IF NOT EXISTS {replaced} (taken int PRIMARY KEY)")
    named = (table.sql, f"{table.sql} o", copy, f"{copy} n", written, f"{written} l", replaced)
    try:
        session.execute(f"LOCK TABLES {', '.join(f'{name} WRITE' for name in named)}")
        yield
    finally:
        if session.usable:
            session.execute("UNLOCK TABLES")
        else:
            session.close()  # the lock ends with it


def _wait_for_queue(session: Session, number: str, done: Future[int | None]) -> None:
    until = time.monotonic() + _QUEUED_SECONDS
    while session.row(_QUEUED, (number,)) is None:
        if done.done():
            done.result()
        if time.monotonic() > until:
            raise SchemaChangeError("the change of names did not come into the queue for the table's lock")
        time.sleep(_STEP_SECONDS)
