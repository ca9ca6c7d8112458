"""Writers that write each change of a table to a ledger too, in the same transaction.

Whatever is done to the table meanwhile, afterwards it has the rows that the ledger has.
"""

from __future__ import annotations

import random
import threading
import time
from types import TracebackType
from typing import Any

from dev.services import Server

BOOK = "book"
LEDGER = "ledger"
_AGAIN = ("1205", "1213", "40P01", "55P03", "40001")
"""Lock wait time-out and deadlock, as each server numbers them: the transaction is done again."""
_TRANSACTIONS_A_SECOND = 100.0


def make_tables(server: Server, rows: int) -> None:
    """Make the table and its ledger, with the same rows in both."""
    is_postgres = server.kind == "postgres"
    connection = server.connect()
    cursor = connection.cursor()
    for table in (BOOK, LEDGER):
        cursor.execute(f"DROP TABLE IF EXISTS {table}")
        cursor.execute(
            f"CREATE TABLE {table} (id int PRIMARY KEY, n int NOT NULL, note varchar(64) NOT NULL)"
        )
    numbers = (
        f"SELECT i FROM generate_series(1, {rows}) s (i)"
        if is_postgres
        else "WITH RECURSIVE d (x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM d WHERE x < 63)"
        f" SELECT a.x * 4096 + b.x * 64 + c.x + 1 AS i FROM d a, d b, d c HAVING i <= {rows}"
    )
    for table in (BOOK, LEDGER):
        cursor.execute(f"INSERT INTO {table} SELECT i, i * 7, 'first' FROM ({numbers}) s")
    connection.commit()
    connection.close()


class Writers:
    """Threads that insert, update and delete; use them in a ``with`` statement.

    :param server: that has the tables of :func:`make_tables`
    :param rows: of the table, whose numbers are known
    :param threads: how many
    """

    def __init__(self, server: Server, rows: int, threads: int = 2) -> None:
        self.longest = 0.0
        self.transactions = 0
        self.again = 0
        self.errors: list[BaseException] = []
        self._server, self._rows = server, rows
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(threads)]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, transactions: int) -> None:
        """Wait until so many more transactions are done, or a writer has failed."""
        end = self.transactions + transactions
        while self.transactions < end and not self.errors:
            time.sleep(0.01)

    def _work(self, number: int) -> None:
        try:
            connection = self._server.connect()
            chance = random.Random(number)
            fresh = self._rows + 1 + number * 10_000_000
            while not self._stop.wait(1 / _TRANSACTIONS_A_SECOND):
                what = chance.choice(("insert", "update", "update", "delete"))
                row = fresh if what == "insert" else chance.randint(1, self._rows)
                fresh += what == "insert"
                self._until_done(connection, what, row, chance.randint(0, 1_000_000))
            connection.close()
        except BaseException as error:
            self.errors.append(error)
            raise

    def _until_done(self, connection: Any, what: str, row: int, value: int) -> None:
        begin = time.monotonic()
        while True:
            try:
                cursor = connection.cursor()
                for table in (BOOK, LEDGER):
                    cursor.execute(*_change(table, what, row, value))
                connection.commit()
                break
            except Exception as error:
                connection.rollback()
                code = getattr(error, "sqlstate", None) or str(error.args[0])
                if code not in _AGAIN:
                    raise
                with self._lock:
                    self.again += 1
        with self._lock:
            self.transactions += 1
            self.longest = max(self.longest, time.monotonic() - begin)


def _change(table: str, what: str, row: int, value: int) -> tuple[str, tuple[object, ...]]:
    if what == "insert":
        return f"INSERT INTO {table} (id, n, note) VALUES (%s, %s, %s)", (row, value, f"new {value}")
    if what == "update":
        return f"UPDATE {table} SET n = %s, note = %s WHERE id = %s", (value, f"changed {value}", row)
    return f"DELETE FROM {table} WHERE id = %s", (row,)


def difference(server: Server) -> str:
    """Compare table and ledger row by row.

    :return: what differs, for people; empty where nothing does
    """
    connection = server.connect()
    cursor = connection.cursor()
    rows: list[dict[int, tuple[object, ...]]] = []
    for table in (BOOK, LEDGER):
        cursor.execute(f"SELECT id, n, note FROM {table}")
        rows.append({row[0]: tuple(row) for row in cursor.fetchall()})
    connection.close()
    book, ledger = rows
    differing = sorted(key for key in book.keys() | ledger.keys() if book.get(key) != ledger.get(key))
    if not differing:
        return ""
    first = differing[0]
    return f"{len(differing)} rows differ; {first}: table {book.get(first)}, ledger {ledger.get(first)}"
