"""The helper tasks below a flow's nodes, each run by Airflow's own task runner."""

from __future__ import annotations

from typing import Any

import pytest

from dms_provider.policies.rules import FlowPolicies
from tests.dms_provider.policies.conftest import supervisor
from tests.dms_provider.policies.supervisor import THIS_RUN, Ended, Node, Supervisor, flow, run_node

__all__ = ["supervisor"]

STATES: dict[str, str | None] = {
    "a": "failed",
    "new": None,
    "scheduled": "scheduled",
    "queued": "queued",
    "between": "up_for_retry",
    "waits": "deferred",
    "running": "running",
    "done": "success",
    "skipped": "skipped",
    "below": "upstream_failed",
    "other": "failed",
    "gone_from_the_flow": None,
    "dms__hold": "running",
    "dms__outcome": None,
}
NOT_BEGUN = ["between", "new", "queued", "scheduled", "waits"]


def hold(supervisor: Supervisor, policy: Any, conf: dict[str, Any] | None = None, answers: str = "") -> Ended:
    """Run ``dms__hold`` of a flow with a node for each of the states."""
    nodes = [name for name in STATES if not name.startswith(("dms__", "gone"))]
    tasks: Any = flow(FlowPolicies(policy), **dict.fromkeys(nodes, _nothing))
    tasks["dms__hold"].answers = frozenset(answers.split())
    return run_node(tasks["dms__hold"], supervisor, conf)


def _nothing(node: Node) -> None:
    pass


@pytest.mark.parametrize("policy", ["complete_running_tasks", "immediately_stop_all_tasks"])
def test_what_has_not_begun_is_held_back(supervisor: Supervisor, policy: str) -> None:
    supervisor.states[THIS_RUN] = STATES
    ended = hold(supervisor, policy)
    assert ended.state == "success"
    assert supervisor.skipped == NOT_BEGUN
    assert ended.log == ["Failed: a, other", f"Held back by {policy}: {', '.join(NOT_BEGUN)}"]


@pytest.mark.parametrize("coming_back", ["waits", "scheduled", "queued"])
def test_work_that_has_begun_in_the_triggerer_goes_on(supervisor: Supervisor, coming_back: str) -> None:
    supervisor.states[THIS_RUN] = STATES
    supervisor.xcoms[(coming_back, "dms_begun")] = True
    hold(supervisor, "complete_running_tasks")
    assert supervisor.skipped == [node for node in NOT_BEGUN if node != coming_back]


def test_a_try_that_ended_has_not_begun_again(supervisor: Supervisor) -> None:
    supervisor.states[THIS_RUN] = STATES
    supervisor.xcoms[("between", "dms_begun")] = True
    hold(supervisor, "complete_running_tasks")
    assert supervisor.skipped == NOT_BEGUN


def test_immediate_stop_ends_work_in_the_triggerer(supervisor: Supervisor) -> None:
    supervisor.states[THIS_RUN] = STATES
    supervisor.xcoms[("waits", "dms_begun")] = True
    hold(supervisor, "immediately_stop_all_tasks")
    assert supervisor.skipped == NOT_BEGUN


@pytest.mark.parametrize(
    ("policy", "held"),
    [
        ("complete_running_tasks", ["between", "scheduled", "waits"]),
        ("immediately_stop_all_tasks", NOT_BEGUN),
    ],
)
def test_answers_to_the_failure(supervisor: Supervisor, policy: str, held: list[str]) -> None:
    supervisor.states[THIS_RUN] = STATES
    hold(supervisor, policy, answers="new queued")
    assert supervisor.skipped == held


def test_nothing_is_held_back_once_the_failure_is_gone(supervisor: Supervisor) -> None:
    supervisor.states[THIS_RUN] = {**STATES, "a": "success", "other": "success"}
    assert hold(supervisor, "complete_running_tasks").state == "success"
    assert supervisor.skipped == []


def test_a_dry_run_holds_nothing_back(supervisor: Supervisor) -> None:
    supervisor.states[THIS_RUN] = STATES
    ended = hold(supervisor, "complete_running_tasks", {"kind": "dry_run", "dry_run": True})
    assert ended.state == "success"
    assert supervisor.skipped == []
