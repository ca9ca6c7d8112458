"""Two schedulers of Airflow start many runs of one flow in the same second: each knows who goes before it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from airflow.jobs.job import Job
from airflow.models.dagrun import DagRun
from airflow.models.pool import Pool
from airflow.utils.session import create_session
from sqlalchemy import func, select, update

from dev.services.process import ServerProcess
from tests.dms_provider.policies.scheduler.stage import Stage
from tests.end_to_end.airflow_instance import PATIENCE, PROCESS_TREE

RUNS = 30
NODES = {"a": []}
SETTINGS = {
    "AIRFLOW__CORE__PARALLELISM": "1",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.05",
}


@contextmanager
def _schedulers(number: int, folder: Path) -> Iterator[list[ServerProcess]]:
    """Start schedulers that start runs, but no task."""
    with create_session(scoped=False) as session:
        session.execute(update(Pool).values(slots=0))
    with ExitStack() as stack:
        processes = []
        for name in range(number):
            process = ServerProcess(
                [sys.executable, PROCESS_TREE, sys.executable, "-m", "airflow", "scheduler"],
                log=folder / f"scheduler_{name}.log",
                environment={**os.environ, **SETTINGS},
            )
            stack.callback(process.stop)
            processes.append(process)

        def at_work() -> bool:
            with create_session(scoped=False) as session:
                jobs = select(func.count()).select_from(Job).where(Job.state == "running")
                return (session.scalar(jobs) or 0) >= number

        _wait(at_work, processes)
        yield processes


def _wait(condition: Callable[[], bool], processes: list[ServerProcess]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "\n".join(process.log_tail(40) for process in processes)
        assert all(process.running for process in processes), [p.log_tail(40) for p in processes]
        time.sleep(0.2)


def test_runs_that_start_at_once_stand_in_one_row(stage: Stage, tmp_path: Path) -> None:
    flows = {policy: stage.flow(policy, NODES, concurrency=policy) for policy in ("parallel_mode_1", "skip")}
    with _schedulers(2, tmp_path) as processes:
        with ThreadPoolExecutor(4) as people:
            for number in range(RUNS):
                for flow in flows.values():
                    people.submit(stage.trigger, flow, f"r{number}")

        def all_have_started() -> bool:
            with create_session(scoped=False) as session:
                waiting = select(func.count()).select_from(DagRun).where(DagRun.dag_id.in_(flows.values()))
                started = session.scalar(waiting.where(DagRun.state != "queued")) or 0
            return started == 2 * RUNS

        _wait(all_have_started, processes)
    with create_session(scoped=False) as session:
        said = {
            policy: {
                run_id: conf["dms"]
                for run_id, conf in session.execute(
                    select(DagRun.run_id, DagRun.conf).where(DagRun.dag_id == flow)
                )
            }
            for policy, flow in flows.items()
        }
    earlier = {run_id: decided.get("earlier_run") for run_id, decided in said["parallel_mode_1"].items()}
    assert list(earlier.values()).count(None) == 1
    assert len(set(earlier.values())) == RUNS
    row = [next(run_id for run_id, before in earlier.items() if before is None)]
    later = {before: run_id for run_id, before in earlier.items()}
    while row[-1] in later:
        row.append(later[row[-1]])
    assert len(row) == RUNS
    skipped_for = [decided.get("skipped_for") for decided in said["skip"].values()]
    assert skipped_for.count(None) == 1
    assert len(set(skipped_for)) == 2
