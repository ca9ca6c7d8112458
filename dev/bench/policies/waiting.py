"""Many runs of one flow that wait for each other under Mode 1."""

from __future__ import annotations

import time

from dev.bench.policies.flows import WAREHOUSE, write_waiting
from dev.bench.policies.instance import Meter, cpu_seconds, measured_airflow, unlogged
from dev.services import PostgresServer

NODES = 10
LOCK = 4711
WINDOW_SECONDS = 60.0
PATIENCE = 3600.0
_DEFERRED = "SELECT count(*) FROM task_instance WHERE dag_id = %s AND state = 'deferred'"
_GOING = "SELECT count(*) FROM dag_run WHERE dag_id = %s AND state IN ('queued', 'running')"
_FAILED = "SELECT count(*) FROM dag_run WHERE dag_id = %s AND state = 'failed'"


def measure_waiting(runs: int) -> None:
    """Let runs wait in a row for the first one, then let them go; print what both cost.

    :param runs: how many overlap
    """
    with PostgresServer() as warehouse, measured_airflow({WAREHOUSE: warehouse}) as airflow:
        dag_id = write_waiting(airflow.dags, NODES, LOCK)
        airflow.wait_for(lambda: dag_id in airflow.active_dags(), "the flow to be live")
        meter = Meter(airflow)
        time.sleep(10)
        idle_queries, idle_cpu, _ = _watch(meter, WINDOW_SECONDS / 2)
        with warehouse.connect(autocommit=True) as holder, unlogged(airflow) as connection:
            holder.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
            before = meter.read()
            for _ in range(runs):
                airflow.trigger(dag_id)

            def count(query: str) -> int:
                return int(connection.execute(query, (dag_id,)).fetchone()[0])

            airflow.wait_for(lambda: count(_DEFERRED) == runs - 1, "all runs to wait", timeout=PATIENCE)
            time.sleep(5)
            waiting = meter.read() - before
            queries, cpu, starts = _watch(meter, WINDOW_SECONDS)
            print(f"\n{runs} runs of {NODES} nodes under Mode 1, {runs - 1} of them waiting")
            print(
                f"worker starts until all waited: {waiting.starts}; in {WINDOW_SECONDS:g} s after: {starts}"
            )
            print(f"triggerer: {cpu:.3f} CPU seconds a second (with nothing to do {idle_cpu:.3f})")
            print(
                f"database: {queries:.1f} queries a second (with nothing to do {idle_queries:.1f})",
                flush=True,
            )
            holder.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
            airflow.wait_for(lambda: not count(_GOING), "all runs to end", timeout=PATIENCE)
            assert not count(_FAILED)
            total = meter.read() - before
        print(f"worker starts in all: {total.starts}, {total.starts / runs / NODES:.2f} a node", flush=True)


def _watch(meter: Meter, seconds: float) -> tuple[float, float, int]:
    """Return queries a second, CPU seconds of the triggerer a second, and worker starts."""
    before, cpu, began = meter.read(), cpu_seconds("triggerer"), time.monotonic()
    time.sleep(seconds)
    done, spent, elapsed = meter.read() - before, cpu_seconds("triggerer") - cpu, time.monotonic() - began
    return done.queries / elapsed, spent / elapsed, done.starts
