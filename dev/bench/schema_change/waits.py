"""How long writers wait while a table changes: as the statement itself does it, and lock-free."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dev.bench.schema_change.writers import Writers, difference, make_tables
from dev.services import MariaDBServer, MySQLServer, PostgresServer, Server

ROWS = 262_144
WRITERS = 4
MOST = 0.25
"""The longest wait of a writer may be this part of what it is with the plain statement."""
SETTLING_TRANSACTIONS = 100
CHANGES: dict[type[Server], str] = {
    MariaDBServer: "ALTER TABLE book MODIFY n bigint NOT NULL",
    MySQLServer: "ALTER TABLE book MODIFY n bigint NOT NULL",
    PostgresServer: "CREATE INDEX by_n ON book (n)",
}


@dataclass(frozen=True)
class Measured:
    """One change.

    :param seconds: that it took
    :param longest: seconds that a writer's transaction took at most meanwhile
    :param transactions: of the writers meanwhile
    :param again: transactions that had to be done again, after a deadlock
    """

    seconds: float
    longest: float
    transactions: int
    again: int


def compare(rounds: int) -> bool:
    """Change a table of each server in both ways, in turns, and print what writers noticed.

    :param rounds: of each
    :return: whether the longest wait was short enough everywhere
    """
    os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="dms-bench-airflow-"))
    logging.disable(logging.WARNING)
    good = True
    for kind, sql in CHANGES.items():
        with kind() as server:
            print(f"{server.kind} {server.version}, {ROWS} rows, {WRITERS} writers: {sql}")
            for _ in range(rounds):
                plain = measure(server, sql, lock_free=False)
                lock_free = measure(server, sql, lock_free=True)
                ratio = lock_free.longest / plain.longest
                good &= ratio <= MOST
                print(f"  plain     {_shown(plain)}")
                print(f"  lock-free {_shown(lock_free)}")
                print(f"  longest wait, lock-free to plain: {ratio:.3f} (at most {MOST})", flush=True)
    return good


def measure(server: Server, sql: str, *, lock_free: bool) -> Measured:
    """Change a new table once, with writers on it.

    :raises AssertionError: the table has not what the writers wrote
    """
    make_tables(server, ROWS)
    with Writers(server, ROWS, WRITERS) as writers:
        writers.wait_for(SETTLING_TRANSACTIONS)
        writers.longest, done, again = 0.0, writers.transactions, writers.again
        begin = time.monotonic()
        _change(server, sql, lock_free)
        seconds = time.monotonic() - begin
        done, again = writers.transactions - done, writers.again - again
        # a transaction that began before the end of the change counts when it ends
        writers.wait_for(WRITERS * 2)
        longest = writers.longest
    if writers.errors or (found := difference(server)):
        raise AssertionError(writers.errors or found)
    return Measured(seconds, longest, done, again)


def _change(server: Server, sql: str, lock_free: bool) -> None:
    from dms_provider.dialects import dialect
    from dms_provider.schema_change.base import Workplace
    from dms_provider.schema_change.table import change_lock_free
    from dms_provider.sessions.session import Session
    from dms_provider.sessions.source import open_source

    with _connection(f"{server.airflow_uri}{'&' if '?' in server.airflow_uri else '?'}lock_free=auto"):
        source = open_source("source", owner="bench", timeout=None)
    language = dialect(source.conn_type)
    with Session(source) as session:
        if not lock_free:
            session.execute(sql)
            return
        place = Workplace(source, session, logging.getLogger(__name__))
        if not change_lock_free(sql, language, language.default_mode, place):
            raise AssertionError(f"{sql} is no schema change")


@contextmanager
def _connection(uri: str) -> Iterator[None]:
    os.environ["AIRFLOW_CONN_SOURCE"] = uri
    try:
        yield
    finally:
        del os.environ["AIRFLOW_CONN_SOURCE"]


def _shown(measured: Measured) -> str:
    return (
        f"{measured.seconds:6.2f} s, {measured.transactions:5d} transactions, {measured.again:3d} again,"
        f" longest wait {measured.longest * 1000:6.0f} ms"
    )
