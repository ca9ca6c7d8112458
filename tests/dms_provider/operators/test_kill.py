"""Nodes whose process is told to stop, runs out of time, or dies: nothing stays behind on the server.

What runs there takes hours, so that the patience here says nothing of speed: it is for a busy machine.
"""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from dms_provider.sessions.session import Session
from tests.dms_provider.databases import Database, wait_until
from tests.dms_provider.operators import killed_task

SERVERS = ("postgres", "mariadb", "mysql", "oceanbase")
LIMITS = (5, 20, 80)
"""Seconds that a node may take: more where a busy machine did not even begin its query in time."""

# Imported once, by the process that all nodes are forked from.
PRELOADED = [
    killed_task.__name__,
    "dms_provider.sessions.mysql",
    "dms_provider.sessions.postgres",
    "airflow.providers.mysql.hooks.mysql",
    "airflow.providers.postgres.hooks.postgres",
]


@dataclass(frozen=True)
class Node:
    """A node in a process of its own."""

    process: BaseProcess
    answer: Path

    def end(self) -> str:
        """Wait for the end of a node that fails, and return its error."""
        self.process.join(120)
        assert self.process.exitcode == 1
        return self.answer.read_text(encoding="utf-8")


NodeStarter = Callable[..., AbstractContextManager[Node]]


@pytest.fixture
def node(database: Database, tmp_path: Path) -> NodeStarter:
    """Runs a node in a process of its own, and waits until its statement runs."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(PRELOADED)

    @contextmanager
    def start(
        kind: str, sql: str, timeout: float | None = None, supervisor: socket.socket | None = None
    ) -> Iterator[Node]:
        answer = tmp_path / "answer"
        process = processes.Process(
            target=killed_task.execute,
            args=(kind, database.uri, sql, timeout, answer, supervisor),
            daemon=True,
        )
        process.start()
        try:
            wait_until(
                lambda: database.runs_a_query() or (timeout is not None and not process.is_alive()),
                "the query to run",
            )
            yield Node(process, answer)
        finally:
            process.kill()
            process.join()
            database.wait_for_silence()

    return start


on_servers = pytest.mark.parametrize("database", SERVERS, indirect=True)


@on_servers
def test_a_running_statement_is_gone_after_sigterm_and_no_other_follows(
    database: Database, node: NodeStarter
) -> None:
    prepare = "DROP TABLE IF EXISTS dms_after; CREATE TABLE dms_after (n INTEGER)"
    with node("statement", f"{prepare}; {database.slow}; INSERT INTO dms_after VALUES (1)") as running:
        running.process.terminate()
        database.wait_for_silence()
        assert running.end().startswith("SessionStopped: stopped: ")
    with Session(database.source()) as session:
        assert session.first_row("SELECT count(*) FROM dms_after") == (0,)


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_a_running_statement_is_gone_after_its_supervisor_died_and_no_other_follows(
    database: Database, node: NodeStarter
) -> None:
    prepare = "DROP TABLE IF EXISTS dms_after; CREATE TABLE dms_after (n INTEGER)"
    sql = f"{prepare}; {database.slow}; INSERT INTO dms_after VALUES (1)"
    supervisor, task = socket.socketpair()
    with supervisor, task, node("statement", sql, supervisor=task) as running:
        supervisor.close()
        database.wait_for_silence()
        assert running.end().startswith("SessionStopped: stopped: ")
    with Session(database.source()) as session:
        assert session.first_row("SELECT count(*) FROM dms_after") == (0,)


@on_servers
def test_rows_on_their_way_are_gone_after_sigterm(database: Database, node: NodeStarter) -> None:
    with node("assignment", database.endless) as running:
        running.process.terminate()
        database.wait_for_silence()
        assert running.end().startswith("SessionStopped: stopped: ")


@pytest.mark.parametrize("database", ["postgres", "mariadb", "mysql"], indirect=True)
def test_a_node_that_runs_out_of_time(database: Database, node: NodeStarter) -> None:
    for limit in LIMITS:
        with node("statement", database.slow, timeout=limit) as running:
            if database.runs_a_query():
                assert running.end().startswith(("AirflowTaskTimeout: ", "StatementFailed: "))
                database.wait_for_silence()
                return
    pytest.fail("no query began in time")


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_process_that_dies_leaves_nothing_on_postgresql(database: Database, node: NodeStarter) -> None:
    with node("statement", database.slow) as running:
        running.process.kill()
        database.wait_for_silence()


@pytest.mark.parametrize("database", ["mariadb", "mysql"], indirect=True)
def test_a_process_that_dies_leaves_nothing_beyond_the_nodes_time(
    database: Database, node: NodeStarter
) -> None:
    for limit in LIMITS:
        with node("statement", database.slow, timeout=limit) as running:
            running.process.kill()
            if database.runs_a_query():
                database.wait_for_silence()
                return
    pytest.fail("no query ran when its process died")
