"""A run of one node ends with it, whatever stands below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import BaseOperator

from dms_provider.policies.rules import ErrorHandling, FlowPolicies
from tests.dms_provider.policies.supervisor import Node, Supervisor, flow, run_node

COMPLETE = FlowPolicies("complete_running_tasks")


def fails(node: Node) -> None:
    raise RuntimeError("no such table")


def chain(policies: FlowPolicies, **does: Callable[[Node], Any]) -> dict[str, Any]:
    work: dict[str, Callable[[Node], Any]] = {name: lambda node: "done" for name in ("r", "s", "t", "u")}
    return flow(policies, ("r", "s"), ("s", "t"), ("r", "u"), **{**work, **does})


@pytest.mark.parametrize("error_handling", ["complete_running_tasks", "complete_unrelated_tasks"])
def test_a_single_node_ends_its_run(supervisor: Supervisor, error_handling: ErrorHandling) -> None:
    node = chain(FlowPolicies(error_handling))["r"]
    ended = run_node(node, supervisor, {"kind": "node", "node": "r"})
    assert ended.state == "success"
    assert supervisor.skipped == ["s", "t", "u"]


def test_a_single_node_ends_its_run_after_the_triggerer(supervisor: Supervisor) -> None:
    node = chain(COMPLETE)["s"]
    run_node(node, supervisor, {"kind": "node", "node": "s"}, next_method="after_trigger")
    assert supervisor.skipped == ["t"]


@pytest.mark.parametrize("conf", [{"kind": "from_node", "from_node": "r"}, {"kind": "try"}])
def test_other_runs_go_on(supervisor: Supervisor, conf: dict[str, Any]) -> None:
    assert run_node(chain(COMPLETE)["r"], supervisor, conf).state == "success"
    assert supervisor.skipped == []


def test_a_single_node_that_fails_skips_nothing(supervisor: Supervisor) -> None:
    node = chain(COMPLETE, r=fails)["r"]
    assert run_node(node, supervisor, {"kind": "node", "node": "r"}).state == "failed"
    assert supervisor.skipped == []


def test_the_last_node_as_the_only_one(supervisor: Supervisor) -> None:
    assert run_node(chain(COMPLETE)["t"], supervisor, {"kind": "node", "node": "t"}).state == "success"
    assert supervisor.skipped == []


def test_a_dry_run_of_one_node(supervisor: Supervisor) -> None:
    worked: list[Node] = []
    node = chain(COMPLETE, r=worked.append)["r"]
    run_node(node, supervisor, {"kind": "dry_run", "dry_run": True, "node": "r"})
    assert worked == []
    assert supervisor.skipped == ["s", "t", "u"]


def test_tasks_that_are_no_nodes_are_left_alone(supervisor: Supervisor) -> None:
    tasks = chain(COMPLETE)
    helper: BaseOperator = tasks["dms__hold"]
    assert helper.task_id in tasks["r"].downstream_task_ids
    run_node(tasks["r"], supervisor, {"kind": "node", "node": "r"})
    assert not [task_id for task_id in supervisor.skipped if task_id.startswith("dms__")]
