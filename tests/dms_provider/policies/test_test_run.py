"""A flow in ``dag.test()``, which has neither scheduler nor triggerer: it runs, without a coupling."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk import DAG

FLOW = """
from airflow.sdk import DAG
from dms_provider.operators.conditional_branch import ConditionalBranchOperator
from dms_provider.policies.dag import apply_policies
from dms_provider.policies.rules import FlowPolicies

with DAG({dag_id!r}, schedule=None) as dag:
    def node(name, condition="1 < 2"):
        return ConditionalBranchOperator(task_id=name, condition=condition)
    node("a", {condition!r}) >> node("b") >> node("c")
apply_policies(dag, FlowPolicies({policy!r}, "parallel_mode_1"))
"""
POLICIES = ("complete_running_tasks", "immediately_stop_all_tasks", "complete_unrelated_tasks")


@pytest.fixture
def file(airflow_database: Path) -> Iterator[Path]:
    """A file in Airflow's DAGs folder."""
    path = airflow_database / "dags" / "test_run.py"
    yield path
    path.unlink()


def states_of_run(
    file: Path, policy: str, condition: str, conf: dict[str, Any]
) -> tuple[str, dict[str, str]]:
    """Run the flow; return the state of the run, and of its tasks."""
    dag_id = f"test_run_{policy}_{len(condition)}_{len(conf)}"
    file.write_text(FLOW.format(dag_id=dag_id, policy=policy, condition=condition), encoding="utf-8")
    bag = BundleDagBag(
        dag_folder=file.parent, bundle_path=file.parent, bundle_name="dags-folder", collect_dags=False
    )
    bag.process_file(str(file), only_if_updated=False)  # type: ignore[no-untyped-call]  # Airflow's own
    dag: DAG = bag.dags[dag_id]
    run = dag.test(run_conf=conf)
    return str(run.state), {task.task_id: str(task.state) for task in run.get_task_instances()}


@pytest.mark.parametrize("policy", POLICIES)
def test_it_runs(file: Path, policy: str) -> None:
    state, tasks = states_of_run(file, policy, "1 < 2", {})
    assert state == "success"
    assert {tasks[node] for node in "abc"} == {"success"}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_failure_fails_it(file: Path, policy: str) -> None:
    state, tasks = states_of_run(file, policy, "'x' > 1", {})
    assert state == "failed"
    assert tasks["a"] == "failed"
    assert {tasks["b"], tasks["c"]} <= {"skipped", "upstream_failed"}


def test_a_dry_run(file: Path) -> None:
    state, tasks = states_of_run(file, "complete_running_tasks", "1 > 2", {"dms": {"dry_run": True}})
    assert state == "success"
    assert {tasks[node] for node in "abc"} == {"success"}


def test_a_run_of_one_node_needs_a_scheduler(file: Path) -> None:
    state, tasks = states_of_run(file, "complete_running_tasks", "1 < 2", {"dms": {"node": "b"}})
    assert (state, tasks["a"]) == ("failed", "failed")
