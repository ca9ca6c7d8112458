"""An Airflow on which runs are measured: flow specs, plain DAGs, and counts of what its parts do."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.quickstart_app.processes import descendants
from dev.services import PostgresServer, Server
from tests.end_to_end.airflow_instance import COMPONENTS, AirflowInstance

_CALL = re.compile(rb"request finished[^\n]*?/execution/([\w/-]+)")
_START = re.compile(rb"task-instances/[0-9a-f-]{36}/run\b")
_BEAT = re.compile(rb"task-instances/[0-9a-f-]{36}/heartbeat\b")
_SETTINGS = {
    "CORE__DAGBAG_IMPORT_TIMEOUT": "120",
    "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "10",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
    "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
    "DAG_PROCESSOR__STALE_DAG_THRESHOLD": "300",
    "SCHEDULER__PARSING_CLEANUP_INTERVAL": "60",
    "WORKERS__EXECUTION_API_TIMEOUT": "60",
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "5",
}
"""As in production where tests are in a hurry, and patient with a machine that has other work."""
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Counts:
    """What an Airflow has done so far.

    :param starts: tasks that a worker has begun or resumed
    :param calls: of the Execution API, by workers, without heartbeats
    :param queries: statements that its metadata database was sent
    """

    starts: int
    calls: int
    queries: int

    def __sub__(self, other: Counts) -> Counts:
        return Counts(self.starts - other.starts, self.calls - other.calls, self.queries - other.queries)


class Meter:
    """Counts what an Airflow does, from the API server's access log and the log of the database server.

    :param airflow: the instance
    """

    def __init__(self, airflow: AirflowInstance) -> None:
        self._airflow = airflow
        self._calls = airflow.logs / "api-server.log"
        self._queries = airflow.server.log
        self._statement = re.compile(
            rb"^" + airflow.database.encode() + rb" LOG:  (?:statement|execute)", re.MULTILINE
        )
        with airflow.server.connect(dbname="postgres", autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET log_line_prefix = '%d '")
            connection.execute("ALTER SYSTEM SET log_statement = 'all'")
            connection.execute("SELECT pg_reload_conf()")
        self._at = {self._calls: 0, self._queries: 0}
        self._so_far = Counts(0, 0, 0)

    def read(self) -> Counts:
        """Return what has been done since the meter was made."""
        calls = [call.group(1) for call in _CALL.finditer(self._new(self._calls))]
        beats = sum(bool(_BEAT.search(call)) for call in calls)
        self._so_far = Counts(
            self._so_far.starts + sum(bool(_START.search(call)) for call in calls),
            self._so_far.calls + len(calls) - beats,
            self._so_far.queries + len(self._statement.findall(self._new(self._queries))),
        )
        return self._so_far

    def _new(self, log: Path) -> bytes:
        with log.open("rb") as file:
            file.seek(self._at[log])
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._at[log] += len(whole)
        return whole


@contextmanager
def unlogged(airflow: AirflowInstance) -> Iterator[Any]:
    """Connect to an Airflow's database without being counted."""
    with airflow.server.connect(
        dbname=airflow.database, autocommit=True, options="-c log_statement=none"
    ) as connection:
        yield connection


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and all that came of it."""
    ticks = 0
    for process in (pid, *descendants(pid)):
        with suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / _CLOCK_TICKS


@contextmanager
def measured_airflow(
    connections: Mapping[str, Server], settings: Mapping[str, str] | None = None
) -> Iterator[AirflowInstance]:
    """Start an Airflow on a PostgreSQL of its own, with a triggerer.

    Its DAGs folder has flow specs in ``flows`` and Python in ``plain``.

    :param connections: Airflow connection id -> server
    :param settings: of Airflow, ``SECTION__KEY`` -> value
    """
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    with PostgresServer() as database, tempfile.TemporaryDirectory(prefix="dms-bench-") as folder:
        behind = {name: {"path": f"{folder}/{name}"} for name in ("flows", "plain")}
        for kwargs in behind.values():
            Path(kwargs["path"]).mkdir()
        flows = {"refresh_interval": 10, "bundle": {"classpath": local, "kwargs": behind["flows"]}}
        bundles: list[dict[str, Any]] = [
            {"name": "flows", "classpath": "dag_factory.FlowBundle", "kwargs": flows},
            {"name": "plain", "classpath": local, "kwargs": behind["plain"]},
        ]
        airflow = AirflowInstance(
            database,
            bundles=bundles,
            settings={**_SETTINGS, **(settings or {})},
            components=(*COMPONENTS, "triggerer"),
        )
        airflow.dags = Path(folder)
        for conn_id, server in connections.items():
            airflow.environment[f"AIRFLOW_CONN_{conn_id.upper()}"] = server.airflow_uri
        with airflow:
            yield airflow
