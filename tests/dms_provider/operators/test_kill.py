"""Nodes whose process is told to stop, runs out of time, or dies: nothing stays behind on the server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dms_provider.sessions.session import Session
from tests.dms_provider.databases import Database


def wait_until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait, and return how long it took."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, "did not happen in time"
        time.sleep(0.05)
    return time.monotonic() - begin


@contextmanager
def node(database: Database, kind: str, sql: str, timeout: float = 0) -> Iterator[subprocess.Popen[str]]:
    """Run a node in a process of its own, and wait until its statement runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.dms_provider.operators.killed_task", kind, str(timeout), sql],
        env={**os.environ, "AIRFLOW_CONN_SOURCE": database.uri},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        if not timeout:
            wait_until(lambda: any("SELECT" in running for running in database.statements_running()), 60)
            time.sleep(0.2)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def server(database: Database) -> Database:
    if database.server is None:
        pytest.skip("SQLite runs in the node's process and ends with it")
    return database


def stopped_cleanly(process: subprocess.Popen[str]) -> bool:
    """Wait for the end of a node that was told to stop, and return whether it said so."""
    assert process.stdout is not None
    assert process.wait(timeout=4) == 1
    return process.stdout.read().splitlines()[-1].startswith("SessionStopped: stopped: ")


def test_a_running_statement_is_gone_after_sigterm_and_no_other_follows(server: Database) -> None:
    prepare = "DROP TABLE IF EXISTS dms_after; CREATE TABLE dms_after (n INTEGER)"
    with node(server, "statement", f"{prepare}; {server.slow}; INSERT INTO dms_after VALUES (1)") as process:
        process.send_signal(signal.SIGTERM)
        assert wait_until(lambda: not server.statements_running(), 2) < 2
        assert stopped_cleanly(process)
    with Session(server.source()) as session:
        assert session.first_row("SELECT count(*) FROM dms_after") == (0,)


def test_rows_on_their_way_are_gone_after_sigterm(server: Database) -> None:
    with node(server, "assignment", server.endless) as process:
        process.send_signal(signal.SIGTERM)
        assert wait_until(lambda: not server.statements_running(), 2) < 2
        assert stopped_cleanly(process)


def test_a_node_that_runs_out_of_time(server: Database) -> None:
    with node(server, "statement", server.slow, timeout=3) as process:
        assert process.wait(timeout=60) == 1
        assert wait_until(lambda: not server.statements_running(), 2) < 2
        assert process.stdout is not None
        last = process.stdout.read().splitlines()[-1]
        assert last.startswith(("AirflowTaskTimeout: ", "StatementFailed: "))


def test_a_process_that_dies_leaves_nothing_on_postgresql(server: Database) -> None:
    if server.kind != "postgres":
        pytest.skip("MySQL's family has time limits only")
    with node(server, "statement", server.slow) as process:
        process.kill()
        assert wait_until(lambda: not server.statements_running(), 3) < 3


def test_a_process_that_dies_leaves_nothing_beyond_the_nodes_time(server: Database) -> None:
    with node(server, "statement", server.slow, timeout=6) as process:
        wait_until(lambda: bool(server.statements_running()), 30)
        process.kill()
        assert wait_until(lambda: not server.statements_running(), 8) < 8
