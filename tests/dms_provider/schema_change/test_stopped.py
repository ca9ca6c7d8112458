"""Nodes that are stopped, or whose process dies, while a change is under way: nothing of it goes on."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from dev.bench.schema_change.writers import Writers, difference
from dms_provider.schema_change.mysql_tables import MySQLTable
from tests.dms_provider.databases import wait_until
from tests.dms_provider.operators import killed_task
from tests.dms_provider.schema_change.conftest import (
    ROWS,
    Book,
    needs_program,
    on_mysql_and_mariadb,
    on_postgres,
)

PRELOADED = [
    killed_task.__name__,
    "dms_provider.sessions.mysql",
    "dms_provider.sessions.postgres",
    "dms_provider.schema_change.mysql",
    "dms_provider.schema_change.postgres",
    "airflow.providers.mysql.hooks.mysql",
    "airflow.providers.postgres.hooks.postgres",
]
WIDER = "ALTER TABLE book MODIFY n bigint NOT NULL"
BUSY = 26
"""Statements at work with which pt-online-schema-change pauses behind a part of its copy."""
TABLE = MySQLTable("dms", "book")
_BUILDING = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CREATE INDEX%%'"


@contextmanager
def node(book: Book, sql: str, answer: Path) -> Iterator[BaseProcess]:
    """Run a node in a process of its own."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(PRELOADED)
    process = processes.Process(
        target=killed_task.execute, args=("statement", book.uri, sql, None, answer), daemon=True
    )
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


@contextmanager
def busy_server(book: Book) -> Iterator[None]:
    """Keep so many statements at work that a copy pauses where it is."""
    connections = [book.server.connect() for _ in range(BUSY)]

    def work(connection: Any) -> None:
        try:
            connection.cursor().execute("DO SLEEP(600)")
        except Exception as error:
            assert error.args[0] in (1317, 2013), error  # noqa: PT017  # ended below

    threads = [threading.Thread(target=work, args=(connection,)) for connection in connections]
    numbers = [connection.thread_id() for connection in connections]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for number in numbers:
            book.rows(f"KILL {number}")
        for thread in threads:
            thread.join()


def wait_for_copy(book: Book) -> None:
    """Wait until rows are in the copy, and all triggers there that keep it up."""

    def is_there() -> bool:
        return len(book.beside()) == 4 and book.rows(f"SELECT 1 FROM {TABLE.copy.sql} LIMIT 1") != []

    wait_until(is_there, "the copy")


def copier(book: Book) -> object:
    """Return the number of the connection of the copying program."""
    ((number,),) = book.rows("SELECT IS_USED_LOCK(%s)", TABLE.copier_lock)
    return number


@needs_program
@on_mysql_and_mariadb
def test_a_stopped_node_leaves_nothing(book: Book, tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    with Writers(book.server, ROWS) as writers, busy_server(book), node(book, WIDER, answer) as process:
        wait_for_copy(book)
        process.terminate()
        process.join(60)
        assert "SessionStopped" in answer.read_text()
        assert (copier(book), book.beside()) == (None, [])
        writers.wait_for(20)
    assert writers.errors == []
    assert book.type_of("n") == "int"
    assert difference(book.server) == ""


@needs_program
@on_mysql_and_mariadb
def test_after_a_killed_node_no_copy_goes_on_and_the_next_try_clears_up(book: Book, tmp_path: Path) -> None:
    with Writers(book.server, ROWS) as writers:
        with busy_server(book), node(book, WIDER, tmp_path / "answer") as process:
            wait_for_copy(book)
            process.kill()
            process.join()
            wait_until(lambda: copier(book) is None, "the copying program to be gone")
        assert TABLE.copy.name in book.beside()
        writers.wait_for(20)
        log = book.change(WIDER)
        writers.wait_for(20)
    assert writers.errors == []
    assert sum("Removed" in line for line in log) == 4
    assert book.type_of("n") == "bigint"
    assert book.beside() == []
    assert difference(book.server) == ""


@on_postgres
@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_no_invalid_index_stays(book: Book, signal: str, tmp_path: Path) -> None:
    sql = "CREATE INDEX by_n ON book (n)"
    old = book.server.connect()
    # The build waits for this snapshot to go.
    old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM ledger")
    with node(book, sql, tmp_path / "answer") as process:
        wait_until(lambda: book.invalid_indexes() == ["by_n"], "the index to be under way")
        process.terminate() if signal == "TERM" else process.kill()
        process.join()
    wait_until(lambda: not book.rows(_BUILDING), "the server to end the statement of a client that is gone")
    assert book.invalid_indexes() == ([] if signal == "TERM" else ["by_n"])
    old.close()
    book.change(sql)
    assert book.invalid_indexes() == []
    assert book.rows("SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_n'::regclass") == [(True,)]
