"""What all tests share: an Airflow home of their own, an Airflow database, and real database servers."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from dev.services import (
    MariaDBServer,
    MySQLServer,
    OceanBaseServer,
    PostgresServer,
    Server,
    ServerUnavailable,
)


def _own_airflow_home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="dms-tests-airflow-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    (home / "dags").mkdir()
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "_AIRFLOW_"))]:
        del os.environ[name]
    os.environ.update(
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        }
    )
    return home


# Airflow reads its settings when it is imported, which any test module may do first.
AIRFLOW_HOME = _own_airflow_home()

# How fast a machine is says nothing about a property, so there is neither a deadline nor a check of speed.
settings.register_profile(
    "same", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", settings.get_profile("same"), derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("DMS_TEST_EXAMPLES", "same"))

END_TO_END = "tests/end_to_end/"
BEHAVIOUR = "tests/end_to_end/behaviour/"
SCHEDULES = "tests/end_to_end/schedules/"
MODEL = "tests/end_to_end/model/"
SHARE_AN_AIRFLOW = (BEHAVIOUR, SCHEDULES, MODEL, END_TO_END)
# With several test processes the longest files must not come last.
LONGEST_FIRST = (
    BEHAVIOUR,
    SCHEDULES,
    MODEL,
    END_TO_END,
    "tests/dms_provider/operators/test_kill.py",
    "tests/docs/test_python_dags.py",
    "tests/dag_factory/builder/",
    "tests/dms_provider/",
    "tests/",
)

ServerReport = dict[str, tuple[bool, str]]
SERVERS = pytest.StashKey[ServerReport]()
REPORTS = pytest.StashKey[dict[str, list[str]]]()
"""Lines for the end of the test run, by heading: what tests have seen, for people."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SERVERS] = {}
    config.stash[REPORTS] = {}
    if not hasattr(config, "workerinput"):
        # By default SIGTERM ends Python at once, and what it has put aside stays.
        signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give whole files to the test processes, and what shares an Airflow to one of them."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class FilesAndFolders(LoadFileScheduling):  # type: ignore[misc]  # pytest-xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            return next(
                (path for path in SHARE_AN_AIRFLOW if nodeid.startswith(path)),
                str(super()._split_scope(nodeid)),
            )

    return FilesAndFolders(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: [item.nodeid.startswith(path) for path in LONGEST_FIRST].index(True))


def pytest_sessionfinish(session: pytest.Session) -> None:
    worker_output = getattr(session.config, "workeroutput", None)
    if worker_output is not None:
        worker_output["servers"] = session.config.stash[SERVERS]
        worker_output["reports"] = session.config.stash[REPORTS]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object, error: object) -> None:
    """Take over what a worker of pytest-xdist reports."""
    output: dict[str, Any] = getattr(node, "workeroutput", {})
    node.config.stash[REPORTS].update(output.get("reports", {}))  # type: ignore[attr-defined]  # as below
    for kind, report in output.get("servers", {}).items():
        node.config.stash[SERVERS][kind] = report  # type: ignore[attr-defined]  # pytest-xdist has no types


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what tests have seen, which servers were real, and loudly which were not there."""
    for heading, lines in config.stash[REPORTS].items():
        terminalreporter.section(heading)
        for line in lines:
            terminalreporter.line(line)
    servers = config.stash[SERVERS]
    if not servers:
        return
    terminalreporter.section("database servers")
    for kind, (real, text) in sorted(servers.items()):
        if real:
            terminalreporter.line(f"{kind}: a real server, version {text}")
        else:
            terminalreporter.line(f"{kind}: NOT HAD, ITS TESTS DID NOT RUN. {text}", red=True, bold=True)


def _started(server: Server, config: pytest.Config) -> Iterator[Server]:
    servers = config.stash[SERVERS]
    try:
        server.start()
    except ServerUnavailable as reason:
        server.stop()
        servers[server.kind] = (False, str(reason))
        raise
    except BaseException:
        server.stop()
        raise
    servers[server.kind] = (True, server.version)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[Server]:
    """A real PostgreSQL, started for the first test that asks for it."""
    yield from _started(PostgresServer(), pytestconfig)


@pytest.fixture(scope="session")
def mariadb_server(pytestconfig: pytest.Config) -> Iterator[Server]:
    """A real MariaDB, started for the first test that asks for it."""
    yield from _started(MariaDBServer(), pytestconfig)


@pytest.fixture(scope="session")
def mysql_server(pytestconfig: pytest.Config) -> Iterator[Server]:
    """A real MySQL, started for the first test that asks for it; skips where Debian sid cannot be reached."""
    try:
        yield from _started(MySQLServer(), pytestconfig)
    except ServerUnavailable as reason:
        pytest.skip(f"NO MYSQL SERVER: {reason}")


@pytest.fixture(scope="session")
def oceanbase_server(pytestconfig: pytest.Config) -> Iterator[Server]:
    """A real OceanBase in MySQL mode; skips where its engine is not installed, as on Python 3.10."""
    try:
        yield from _started(OceanBaseServer(), pytestconfig)
    except ServerUnavailable as reason:
        pytest.skip(f"NO OCEANBASE SERVER: {reason}")


@pytest.fixture(scope="session", params=["postgres", "mariadb", "mysql", "oceanbase"])
def sql_server(request: pytest.FixtureRequest) -> Server:
    """Each of the real servers in turn."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    return server


@pytest.fixture(scope="session")
def airflow_database() -> Path:
    """
    Airflow's metadata database in SQLite, for tests that need one (``dag.test``, serialized DAGs, API).

    :return: the Airflow home that it lies in.
    """
    from airflow.utils.db import initdb

    initdb()
    return AIRFLOW_HOME
