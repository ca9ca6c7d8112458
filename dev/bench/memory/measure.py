"""Runs each DAG on a real Airflow and watches the process of its task."""

from __future__ import annotations

import json
import re
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dev.bench.memory.flows import IDLE, NODE, write_flows
from dev.bench.memory.storage import running_storage
from dev.services import MariaDBServer, PostgresServer
from tests.end_to_end.airflow_instance import AirflowInstance

PATIENCE = 3600.0
_LOOK_SECONDS = 0.05
_PROCESS = "SELECT pid FROM task_instance WHERE dag_id = %s AND run_id = %s AND state = 'running'"
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
_SAID = re.compile(r"[\d,]+ rows?(?: read)?, [^\"]*")
_LOCAL = "airflow.dag_processing.bundles.local.LocalDagBundle"
_SERVERS = {"postgres": PostgresServer, "mariadb": MariaDBServer}


def measure(rows: int, most: float, databases: list[str], kinds: list[str]) -> bool:
    """Print the peak of each task's memory beside that of an idle one.

    :param rows: of each result
    :param most: MB that a task may take over the idle one
    :param kinds: what to measure on each database
    :return: whether none took more
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dms-bench-")))
        for name in ("flows", "plain"):
            (folder / name).mkdir()
        shown = write_flows(folder, rows, databases, kinds)
        metadata = stack.enter_context(PostgresServer())
        airflow = AirflowInstance(metadata, bundles=_bundles(folder))
        airflow.environment["AIRFLOW_CONN_ARCHIVE"] = json.dumps(stack.enter_context(running_storage()))
        for database in databases:
            server = stack.enter_context(_SERVERS[database]())
            airflow.environment[f"AIRFLOW_CONN_{database.upper()}"] = server.airflow_uri
        stack.enter_context(airflow)
        airflow.wait_for(lambda: set(shown) <= airflow.active_dags(), "all DAGs to be live", timeout=PATIENCE)
        connection = stack.enter_context(metadata.connect(dbname=airflow.database, autocommit=True))
        print(f"\npeak of a task process's resident memory, results of {rows:,} rows", flush=True)
        idle = max(_peak(airflow, connection, IDLE)[0] for _ in range(2))
        print(f"{shown[IDLE]:24} {idle:7.1f} MB", flush=True)
        good = True
        for dag_id, what in shown.items():
            if dag_id == IDLE:
                continue
            peak, took, said = _peak(airflow, connection, dag_id)
            good = good and peak - idle <= most
            print(f"{what:24} {peak:7.1f} MB {peak - idle:+7.1f} MB  {took:6.1f} s  {said}", flush=True)
    return good


def _bundles(folder: Path) -> list[dict[str, Any]]:
    behind = {name: {"path": str(folder / name)} for name in ("flows", "plain")}
    flows = {"refresh_interval": 10, "bundle": {"classpath": _LOCAL, "kwargs": behind["flows"]}}
    return [
        {"name": "flows", "classpath": "dag_factory.FlowBundle", "kwargs": flows},
        {"name": "plain", "classpath": _LOCAL, "kwargs": behind["plain"]},
    ]


def _peak(airflow: AirflowInstance, connection: Any, dag_id: str) -> tuple[float, float, str]:
    """Run a DAG.

    :return: the largest resident memory of its task's process, in MB; how long it lived; what its log says
    """
    run_id = airflow.trigger(dag_id)

    def process() -> Path | None:
        found = connection.execute(_PROCESS, (dag_id, run_id)).fetchone()
        return Path(f"/proc/{found[0]}/status") if found and found[0] else None

    status = airflow.wait_for(process, f"the task of {dag_id} to run", timeout=PATIENCE)
    begin = time.monotonic()
    peak = 0
    while found := _PEAK.search(_read(status)):
        peak = max(peak, int(found[1]))
        time.sleep(_LOOK_SECONDS)
    took = time.monotonic() - begin
    airflow.succeed(dag_id, run_id)
    said = _SAID.findall(airflow.task_log(dag_id, run_id, NODE))
    return peak * 1024 / 1e6, took, said[-1].strip() if said else ""


def _read(status: Path) -> str:
    """Return what the kernel says of a process, which is nothing once it has ended."""
    try:
        return status.read_text()
    except OSError:
        return ""
