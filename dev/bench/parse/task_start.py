"""How long a starting task takes to find its flow among many: the bundle, then the parse.

Run as ``python -m dev.bench.parse.task_start DAG_ID LOADER`` by the benchmark: a fresh process that has
imported what Airflow's task runner has, and nothing of ours.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dag_factory.discovery.layout import loader_of
from dev.bench.parse import corpus
from dev.bench.parse.instance import environment

SCENARIOS = ("cold", "edited", "renamed", "took another's id")


def measure(count: int) -> dict[str, float]:
    """Lay out ``count`` flows, then start a task in each situation.

    :return: situation -> milliseconds
    """
    with _laid_out(count) as (specs, variables):
        times = {}
        for scenario in SCENARIOS:
            dag_id = corpus.flow_id(3)
            _change(scenario, specs)
            command = [sys.executable, "-m", "dev.bench.parse.task_start", dag_id, loader_of(dag_id)]
            printed = subprocess.run(
                command, env=variables, check=True, capture_output=True, text=True
            ).stdout
            times[scenario] = float(json.loads(printed.splitlines()[-1]))
        return times


@contextmanager
def _laid_out(count: int) -> Iterator[tuple[Path, dict[str, str]]]:
    home = Path(tempfile.mkdtemp(prefix="dms-bench-"))
    try:
        specs = home / "dags"
        corpus.write_specs(specs, count, broken=True)
        variables = environment(home, specs, bundle=True)
        refresh = (
            "from airflow.dag_processing.bundles.manager import DagBundlesManager\n"
            "bundle = DagBundlesManager().get_bundle('bench'); bundle.initialize(); bundle.refresh()"
        )
        subprocess.run([sys.executable, "-c", refresh], env=variables, check=True, stdout=subprocess.DEVNULL)
        yield specs, variables
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _change(scenario: str, specs: Path) -> None:
    """Bring the wanted flow into a situation that the bundle has not seen yet."""
    spec = specs / f"{corpus.flow_id(3)}.flow.yaml"
    changes: dict[str, Callable[[], object]] = {
        "cold": lambda: None,
        "edited": lambda: spec.write_text(spec.read_text().replace("step = 1", "step = 1 AND 1 = 1")),
        "renamed": lambda: (
            spec.write_text(spec.read_text().replace("version: 1", f"version: 1\nid: {corpus.flow_id(3)}")),
            spec.rename(specs / "moved.flow.yaml"),
        ),
        "took another's id": lambda: _take_id(specs),
    }
    changes[scenario]()


def _take_id(specs: Path) -> None:
    """Give another file the wanted id, and the file that had it another one."""
    wanted = corpus.flow_id(3)
    had_it = specs / "moved.flow.yaml"
    had_it.write_text(had_it.read_text().replace(f"id: {wanted}", "id: another"))
    takes_it = specs / f"{corpus.flow_id(7)}.flow.yaml"
    takes_it.write_text(takes_it.read_text().replace("version: 1", f"version: 1\nid: {wanted}"))


def _start(dag_id: str, loader: str) -> float:
    """Do what the task runner does before a task can run, and return its milliseconds."""
    import airflow.dag_processing.dagbag
    import airflow.sdk.execution_time.task_runner
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    os.environ["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = dag_id
    started = time.perf_counter()
    bundle = DagBundlesManager().get_bundle("bench")
    bundle.initialize()
    bag = airflow.dag_processing.dagbag.BundleDagBag(
        dag_folder=os.fspath(bundle.path / loader),
        safe_mode=False,
        load_op_links=False,
        bundle_path=bundle.path,
        bundle_name="bench",
    )
    elapsed = time.perf_counter() - started
    assert list(bag.dags) == [dag_id], (list(bag.dags), bag.import_errors)
    return elapsed * 1000


if __name__ == "__main__":
    print(json.dumps(_start(*sys.argv[1:])))
