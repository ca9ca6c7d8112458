"""A condition that names a state starts when its parents have finished, but follows the conditions above."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG

from dms_provider.operators.base import SpecText
from dms_provider.operators.conditional_branch import ConditionalBranchOperator
from dms_provider.policies.dag import apply_policies
from dms_provider.policies.rules import FlowPolicies
from tests.dms_provider.policies.supervisor import THIS_RUN, Ended, Node, Supervisor, run_node
from tests.dms_provider.policies.test_waiting import trigger_of


def answer(supervisor: Supervisor, **states: str | None) -> Ended:
    """Run ``answer`` of ``load >> [gate, send]``, ``gate >> send >> answer``; load has failed."""
    with DAG("flow") as dag:
        load, send = (Node(task_id=name, does=lambda node: None) for name in ("load", "send"))
        gate = ConditionalBranchOperator(task_id="gate", condition=SpecText("one_success"))
        last: Any = ConditionalBranchOperator(task_id="answer", condition=SpecText("all_done"))
        load >> [gate, send]
        gate >> send >> last
    apply_policies(dag, FlowPolicies())
    supervisor.states[THIS_RUN] = {"load": "failed", "send": "upstream_failed", **states}
    return run_node(last, supervisor, {"kind": "try"})


@pytest.mark.parametrize("state", [None, "scheduled", "queued", "running", "up_for_retry"])
def test_it_waits_for_a_condition_that_is_not_decided(supervisor: Supervisor, state: str | None) -> None:
    ended = answer(supervisor, gate=state)
    assert ended.state == "deferred"
    trigger = trigger_of(ended)
    assert (trigger.earlier_run, trigger.nodes, trigger.gives_up_on_failure) == (THIS_RUN, ["gate"], False)


def test_it_does_not_run_below_a_false_condition(supervisor: Supervisor) -> None:
    supervisor.xcoms["gate", "skipmixin_key"] = {"skipped": ["answer", "send"]}
    ended = answer(supervisor, gate="success")
    assert ended.state == "skipped"


@pytest.mark.parametrize("state", ["success", "failed", "skipped", "upstream_failed"])
def test_it_runs_when_no_condition_above_is_false(supervisor: Supervisor, state: str) -> None:
    assert answer(supervisor, gate=state).state == "success"
