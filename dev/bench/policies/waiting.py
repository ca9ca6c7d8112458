"""Many runs of one flow that wait for each other under Mode 1."""

from __future__ import annotations

import time
from dataclasses import dataclass

from dev.bench.policies.flows import WAREHOUSE, write_plain_waiting, write_waiting
from dev.bench.policies.instance import Meter, cpu_seconds, measured_airflow, unlogged
from dev.services import PostgresServer
from tests.end_to_end.airflow_instance import AirflowInstance

NODES = 10
LOCK = 4711
WINDOW_SECONDS = 60.0
SETTLE_SECONDS = 10.0
PATIENCE = 3600.0
_DEFERRED = "SELECT count(*) FROM task_instance WHERE dag_id = %s AND state = 'deferred'"
_GOING = "SELECT count(*) FROM dag_run WHERE dag_id = %s AND state IN ('queued', 'running')"
_FAILED = "SELECT count(*) FROM dag_run WHERE dag_id = %s AND state = 'failed'"


@dataclass(frozen=True)
class Watched:
    """What an Airflow does in a second.

    :param queries: statements that its metadata database is sent
    :param cpu: seconds of CPU time of its triggerer
    :param starts: tasks that a worker has begun or resumed, in the whole time
    """

    queries: float
    cpu: float
    starts: int

    def __str__(self) -> str:
        return (
            f"{self.queries:.1f} queries and {self.cpu:.3f} CPU seconds of the triggerer a second,"
            f" {self.starts} worker starts in {WINDOW_SECONDS:g} s"
        )


def measure_waiting(runs: int) -> None:
    """Let runs wait in a row for the first one, then let them go; print what both cost.

    Beside them stand as many runs of a plain DAG whose first task waits in the triggerer.

    :param runs: how many overlap
    """
    with PostgresServer() as warehouse, measured_airflow({WAREHOUSE: warehouse}) as airflow:
        dag_id, plain_id = write_waiting(airflow.dags, NODES, LOCK), write_plain_waiting(airflow.dags, NODES)
        airflow.wait_for(lambda: {dag_id, plain_id} <= airflow.active_dags(), "both DAGs to be live")
        meter = Meter(airflow)
        time.sleep(SETTLE_SECONDS)
        idle = _watch(airflow, meter)
        print(f"\nwith nothing to do: {idle}", flush=True)
        with warehouse.connect(autocommit=True) as holder, unlogged(airflow) as connection:

            def count(query: str, dag: str = dag_id) -> int:
                return int(connection.execute(query, (dag,)).fetchone()[0])

            for _ in range(runs - 1):
                airflow.trigger(plain_id)
            airflow.wait_for(
                lambda: count(_DEFERRED, plain_id) == runs - 1, "plain runs to wait", timeout=PATIENCE
            )
            time.sleep(SETTLE_SECONDS)
            plain = _watch(airflow, meter)
            print(f"{runs - 1} runs of a plain DAG that wait for the clock: {plain}", flush=True)
            for run in airflow.get(f"/dags/{plain_id}/dagRuns", limit=runs)["dag_runs"]:
                airflow.patch(f"/dags/{plain_id}/dagRuns/{run['dag_run_id']}", {"state": "failed"})
            time.sleep(SETTLE_SECONDS)

            holder.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
            before = meter.read()
            for _ in range(runs):
                airflow.trigger(dag_id)
            airflow.wait_for(lambda: count(_DEFERRED) == runs - 1, "all runs to wait", timeout=PATIENCE)
            time.sleep(SETTLE_SECONDS)
            print(
                f"worker starts until {runs - 1} runs under Mode 1 waited: {(meter.read() - before).starts}"
            )
            waiting = _watch(airflow, meter)
            print(f"while they wait: {waiting}")
            ratio = (waiting.queries - idle.queries) / (plain.queries - idle.queries)
            print(f"queries above those of an idle Airflow, Mode 1 / plain: {ratio:.2f}", flush=True)
            holder.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
            airflow.wait_for(lambda: not count(_GOING), "all runs to end", timeout=PATIENCE)
            assert not count(_FAILED)
            total = meter.read() - before
        print(f"worker starts in all: {total.starts}, {total.starts / runs / NODES:.2f} a node", flush=True)


def _watch(airflow: AirflowInstance, meter: Meter) -> Watched:
    triggerer = airflow.pid("triggerer")
    before, cpu, began = meter.read(), cpu_seconds(triggerer), time.monotonic()
    time.sleep(WINDOW_SECONDS)
    done, spent, elapsed = meter.read() - before, cpu_seconds(triggerer) - cpu, time.monotonic() - began
    return Watched(done.queries / elapsed, spent / elapsed, done.starts)
