"""A flow of quick nodes under each error handling policy, beside the same graph in plain Airflow."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dev.bench.policies.flows import ERROR_HANDLING, LAYERS, PLAIN, TABLE, WAREHOUSE, WIDTH, write_layered
from dev.bench.policies.instance import Counts, Meter, measured_airflow, unlogged
from dev.services import PostgresServer
from tests.end_to_end.airflow_instance import AirflowInstance

NODES = LAYERS * WIDTH
SETTLE_SECONDS = 3.0
IDLE_SECONDS = 10.0
_STATE = "SELECT state FROM dag_run WHERE dag_id = %s AND run_id = %s"
_TIMES = """
SELECT extract(epoch FROM run.end_date - run.start_date)::float,
    extract(epoch FROM run.end_date - max(task.end_date) FILTER (WHERE task.task_id NOT LIKE 'dms%%'))::float,
    extract(epoch FROM avg(task.end_date - task.start_date)
        FILTER (WHERE task.task_id NOT LIKE 'dms%%'))::float
FROM dag_run AS run JOIN task_instance AS task USING (dag_id, run_id)
WHERE run.dag_id = %s AND run.run_id = %s GROUP BY run.id
"""


@dataclass(frozen=True)
class Measured:
    """One run.

    :param seconds: from its start to its end
    :param last: seconds of them after its last node had ended
    :param node: seconds from start to end of one node, on average
    """

    seconds: float
    last: float
    node: float
    counts: Counts


def compare_pairs(pairs: int, policies: Sequence[str] = ERROR_HANDLING) -> None:
    """Run each flow, and the plain DAG, in turns, and print medians and ratios.

    :param pairs: runs of each
    """
    # as by default: with no slot to spare a layer would wait for the processes of the one before to be gone
    settings = {"CORE__PARALLELISM": "32"}
    with PostgresServer() as warehouse, measured_airflow({WAREHOUSE: warehouse}, settings) as airflow:
        with warehouse.connect(autocommit=True) as connection:
            connection.execute(TABLE)
        write_layered(airflow.dags)
        dags = [PLAIN, *policies]
        airflow.wait_for(lambda: set(dags) <= airflow.active_dags(), "all DAGs to be live")
        meter = Meter(airflow)
        for dag_id in dags:
            airflow.run(dag_id)
        idle = _idle_queries(meter)
        results: dict[str, list[Measured]] = defaultdict(list)
        for number in range(pairs):
            turn = number % len(dags)
            for dag_id in dags[turn:] + dags[:turn]:
                results[dag_id].append(run := _measure(airflow, meter, dag_id))
                print(
                    f"{dag_id}: {run.seconds:.1f} s, {run.last:.2f} s after its last node,"
                    f" {run.node:.2f} s a node",
                    flush=True,
                )
    _print(results, pairs, idle)


def _idle_queries(meter: Meter) -> float:
    """Return the database queries a second of an Airflow that has nothing to do."""
    time.sleep(SETTLE_SECONDS)
    before = meter.read()
    began = time.monotonic()
    time.sleep(IDLE_SECONDS)
    return (meter.read() - before).queries / (time.monotonic() - began)


def _measure(airflow: AirflowInstance, meter: Meter, dag_id: str) -> Measured:
    time.sleep(SETTLE_SECONDS)
    before = meter.read()
    run_id = airflow.trigger(dag_id)
    with unlogged(airflow) as connection:

        def ended() -> bool:
            (state,) = connection.execute(_STATE, (dag_id, run_id)).fetchone()
            assert state != "failed", dag_id
            return bool(state == "success")

        airflow.wait_for(ended, f"{dag_id} to succeed")
        time.sleep(1)
        counts = meter.read() - before
        seconds, last, node = connection.execute(_TIMES, (dag_id, run_id)).fetchone()
    return Measured(seconds, last, node, counts)


def _print(results: Mapping[str, Sequence[Measured]], pairs: int, idle: float) -> None:
    print(f"\n{NODES} quick nodes in {LAYERS} layers, {pairs} runs of each in turns, medians")
    print(
        f"{'':28}{'starts':>8}{'calls a node':>14}{'queries':>9}{'run s':>8}{'after last node s':>19}", end=""
    )
    print(f"{'one node s':>12}{'run / plain':>13}{'queries / plain':>17}")
    plain = results[PLAIN]
    for dag_id, runs in results.items():
        median = statistics.median
        ratio = median(a.seconds / b.seconds for a, b in zip(runs, plain, strict=True))
        queries = median(a.counts.queries / b.counts.queries for a, b in zip(runs, plain, strict=True))
        print(
            f"{dag_id:28}{median(run.counts.starts for run in runs):8.0f}"
            f"{median(run.counts.calls for run in runs) / NODES:14.2f}"
            f"{median(run.counts.queries for run in runs):9.0f}"
            f"{median(run.seconds for run in runs):8.2f}{median(run.last for run in runs):19.2f}"
            f"{median(run.node for run in runs):12.2f}"
            f"{ratio:13.3f}{queries:17.3f}",
            flush=True,
        )
    print(f"an Airflow with nothing to do: {idle:.1f} queries a second, which are among those of each run")
