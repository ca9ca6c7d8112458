"""Nodes of a run that no scheduler decided about, or that it refused."""

from __future__ import annotations

from typing import Any

import pytest

from dms_provider.policies.rules import FlowPolicies
from tests.dms_provider.policies.supervisor import Node, Supervisor, run_node
from tests.dms_provider.policies.test_guard import COMPLETE, STOP, UNRELATED, node_r


@pytest.mark.parametrize(
    ("conf", "says"),
    [
        ({}, "the plugin dms is not loaded in the scheduler"),
        ({"undecided": "the database said no"}, "the database said no"),
        (
            {"kind": "try", "refused": "no pool p"},
            "refused when it started: no pool p",
        ),
    ],
)
@pytest.mark.parametrize("policies", [COMPLETE, STOP, UNRELATED])
def test_a_run_that_was_not_started_executes_nothing_and_is_not_tried_again(
    supervisor: Supervisor, policies: FlowPolicies, conf: dict[str, Any], says: str
) -> None:
    worked: list[Node] = []
    ended = run_node(node_r(policies, worked.append), supervisor, conf, retries=3)
    assert ended.state == "failed"
    assert says in str(ended.error)
    assert worked == []


def test_a_run_of_dag_test_has_no_scheduler_and_no_coupling(supervisor: Supervisor) -> None:
    ended = run_node(node_r(STOP), supervisor, {}, user="dag_test")
    assert ended.state == "success"
    assert "WARNING A test run: no other run of flow is waited for" in ended.log


@pytest.mark.parametrize("conf", [{"node": "r"}, {"from_node": "r"}])
def test_dag_test_cannot_leave_nodes_out(supervisor: Supervisor, conf: dict[str, Any]) -> None:
    ended = run_node(node_r(COMPLETE), supervisor, conf, user="dag_test")
    assert ended.state == "failed"
    assert "use `airflow dags trigger flow`" in str(ended.error)


def test_what_a_scheduler_could_not_decide_is_no_test_run(supervisor: Supervisor) -> None:
    ended = run_node(node_r(COMPLETE), supervisor, {"undecided": "x"}, user="dag_test")
    assert ended.state == "failed"
