"""Each real server, SQLite among them, as an Airflow connection ``source`` of this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from dev.services import Server
from dms_provider.sessions.source import Source, open_source

SLOW = {
    "postgres": "SELECT count(*) FROM (SELECT generate_series(1, 1000000000000)) AS numbers",
    "mariadb": "SELECT count(*) FROM seq_1_to_100000000 a JOIN seq_1_to_100000000 b ON a.seq < b.seq * 2",
    "mysql": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
    "SELECT count(*) FROM n a, n b, n c, n d, n e",
    "sqlite": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
}
ENDLESS = {
    "postgres": "SELECT generate_series(1, 1000000000000)",
    "mariadb": "SELECT seq FROM seq_1_to_1000000000000",
    "mysql": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
    "SELECT a.i FROM n a, n b, n c",
    "sqlite": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
}

RUNNING = {
    "postgres": "SELECT query FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend'",
    "mysql": "SELECT info FROM information_schema.processlist "
    "WHERE info IS NOT NULL AND id <> connection_id()",
}


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float = 120.0) -> None:
    """Wait until something is true, with patience for a busy machine.

    :param what: is waited for; for the message
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        time.sleep(0.05)


@dataclass(frozen=True)
class Database:
    """A database that a session can be opened to."""

    kind: str
    conn_id: str
    server: Server | None
    uri: str

    @property
    def slow(self) -> str:
        """A query of one row that takes hours."""
        return SLOW.get(self.kind, SLOW["mysql"])

    @property
    def endless(self) -> str:
        """A query whose rows go on for many minutes, the first of them at once."""
        return ENDLESS.get(self.kind, ENDLESS["mysql"])

    @property
    def is_mysql(self) -> bool:
        """Whether it speaks MySQL's dialect."""
        return self.kind in ("mariadb", "mysql", "oceanbase")

    def uri_with(self, extras: str) -> str:
        """Return the connection with more extras."""
        return f"{self.uri}{'&' if '?' in self.uri else '/?' if self.kind == 'sqlite' else '?'}{extras}"

    def source(self) -> Source:
        return open_source(self.conn_id, owner="alice", timeout=None)

    def runs_a_query(self) -> bool:
        """Whether ``slow`` or ``endless`` runs at this moment."""
        signs = (self.slow, self.endless, "FETCH ")
        return any(sign in statement for statement in self.statements_running() for sign in signs)

    def wait_for_silence(self) -> None:
        """Wait until no statement runs."""
        running: list[str] = []

        def is_idle() -> bool:
            running[:] = self.statements_running()
            return not running

        try:
            wait_until(is_idle, "the server to be idle")
        except AssertionError as error:
            raise AssertionError(f"{error}; it runs {running}") from None

    def statements_running(self) -> list[str]:
        """Return what the server does at this moment, apart from this question."""
        if self.server is None:
            return []
        question = RUNNING.get(self.kind, RUNNING["mysql"])
        connection = self.server.connect()
        try:
            cursor = connection.cursor()
            cursor.execute(question)
            return [row[0] for row in cursor.fetchall()]
        finally:
            connection.close()


@pytest.fixture(params=["postgres", "mariadb", "mysql", "oceanbase", "sqlite"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Database:
    """Each kind of database in turn."""
    server: Server | None = None
    if request.param == "sqlite":
        uri = "sqlite://" + quote(str(tmp_path / "source.db"), safe="")
    else:
        server = request.getfixturevalue(f"{request.param}_server")
        uri = server.airflow_uri
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", uri)
    return Database(request.param, "source", server, uri)
