"""A node waits for an earlier run, and only for what its policy says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.serde import deserialize

from dms_provider.policies.rules import FlowPolicies
from dms_provider.triggers.earlier_run import EarlierRunTrigger
from tests.dms_provider.policies.supervisor import (
    EARLIER_RUN,
    THIS_RUN,
    Ended,
    Node,
    Supervisor,
    flow,
    run_node,
)

MODE_1 = {"kind": "scheduled", "earlier_run": EARLIER_RUN, "waits": "same_node"}
MODE_2 = {**MODE_1, "waits": "same_node_and_downstream"}
WHOLE_RUN = {**MODE_1, "waits": "whole_run"}
EDGES = (("r", "s"), ("s", "t"), ("r", "u"))


def begin(
    supervisor: Supervisor,
    conf: dict[str, Any],
    policies: FlowPolicies | None = None,
    does: Callable[[Node], Any] = lambda node: "done",
    **run: Any,
) -> Ended:
    """Begin ``r`` of ``r >> s >> t``, ``r >> u``, ``a`` beside them."""
    work: dict[str, Callable[[Node], Any]] = {name: lambda node: "done" for name in ("a", "s", "t", "u")}
    nodes = flow(policies or FlowPolicies(), *EDGES, r=does, **work)
    return run_node(nodes["r"], supervisor, conf, **run)


def trigger_of(ended: Ended) -> EarlierRunTrigger:
    assert ended.state == "deferred"
    assert ended.message.next_method == "begin"
    assert ended.message.classpath == "dms_provider.triggers.earlier_run.EarlierRunTrigger"
    kwargs: Any = deserialize(ended.message.trigger_kwargs)
    return EarlierRunTrigger(**kwargs)


def earlier(supervisor: Supervisor, **states: str | None) -> None:
    supervisor.states[EARLIER_RUN] = dict(states)
    supervisor.going.add(EARLIER_RUN)


@pytest.mark.parametrize("state", [None, "scheduled", "queued", "running", "up_for_retry", "deferred"])
def test_the_same_node_has_not_finished(supervisor: Supervisor, state: str | None) -> None:
    earlier(supervisor, r=state, s="success")
    ended = begin(supervisor, MODE_1)
    trigger = trigger_of(ended)
    assert (trigger.dag_id, trigger.run_id, trigger.earlier_run) == ("flow", THIS_RUN, EARLIER_RUN)
    assert trigger.nodes == ["r"]
    assert trigger.gives_up_on_failure is True
    assert ended.log[-1] == f"Waiting for run {EARLIER_RUN}: r ({state or 'not begun'})"
    assert supervisor.questions == ["GetTICount", "GetTaskStates", "GetDRCount"]


@pytest.mark.parametrize("state", ["success", "failed", "skipped", "upstream_failed", "removed"])
def test_the_same_node_has_finished(supervisor: Supervisor, state: str) -> None:
    earlier(supervisor, r=state, s="running")
    assert begin(supervisor, MODE_1).state == "success"
    assert supervisor.questions == ["GetTICount", "GetTaskStates"]


@pytest.mark.parametrize("conf", [MODE_1, MODE_2, WHOLE_RUN])
@pytest.mark.parametrize("deleted", [True, False])
def test_a_run_that_has_ended_or_was_deleted_holds_nobody_up(
    supervisor: Supervisor, conf: dict[str, Any], deleted: bool
) -> None:
    if not deleted:
        supervisor.states[EARLIER_RUN] = {"r": None, "s": "running"}
    assert begin(supervisor, conf).state == "success"


def test_a_node_that_the_earlier_run_does_not_have(supervisor: Supervisor) -> None:
    earlier(supervisor, s="running", t=None)
    assert begin(supervisor, MODE_1).state == "success"


def test_mode_2_waits_for_everything_downstream(supervisor: Supervisor) -> None:
    earlier(supervisor, r="success", s="success", t="running", u="success", a="running")
    trigger = trigger_of(begin(supervisor, MODE_2))
    assert trigger.nodes is not None
    assert sorted(trigger.nodes) == ["r", "s", "t", "u"]


def test_mode_2_direct_waits_for_children_only(supervisor: Supervisor) -> None:
    direct = FlowPolicies(concurrency="parallel_mode_2", mode_2_scope="direct")
    earlier(supervisor, r="success", s="success", t="running", u="success")
    assert begin(supervisor, MODE_2, direct).state == "success"
    earlier(supervisor, r="success", s="success", t="success", u="running")
    assert trigger_of(begin(supervisor, MODE_2, direct)).nodes == ["r", "s", "u"]


@pytest.mark.parametrize(("scope", "waits_for"), [("all", ["o", "p", "r"]), ("direct", ["o", "r"])])
def test_mode_2_goes_by_the_earlier_runs_version(
    supervisor: Supervisor, scope: Any, waits_for: list[str]
) -> None:
    conf = {**MODE_2, "earlier_graph": {"r": ["o"], "o": ["p"], "p": [], "s": []}}
    earlier(supervisor, r="success", o="running", p=None, s="running")
    policies = FlowPolicies(concurrency="parallel_mode_2", mode_2_scope=scope)
    trigger = trigger_of(begin(supervisor, conf, policies))
    assert trigger.nodes is not None
    assert sorted(trigger.nodes) == waits_for


def test_a_node_that_is_new_has_nothing_downstream_in_the_earlier_version(supervisor: Supervisor) -> None:
    earlier(supervisor, s="running", o="running")
    assert begin(supervisor, {**MODE_2, "earlier_graph": {"s": ["o"], "o": []}}).state == "success"


def test_many_nodes_are_asked_for_without_their_names(supervisor: Supervisor) -> None:
    graph = {"r": [f"n{number}" for number in range(500)]}
    earlier(supervisor, r="success", a="running", **dict.fromkeys(graph["r"], "running"))
    ended = begin(supervisor, {**MODE_2, "earlier_graph": graph})
    assert len(trigger_of(ended).nodes or ()) == 501
    (asked,) = [msg for msg in supervisor.asked if type(msg).__name__ == "GetTaskStates"]
    assert asked.task_ids is None
    assert ended.log[-1].endswith("and 480 more")
    assert "a (running)" not in ended.log[-1]


def test_the_whole_run(supervisor: Supervisor) -> None:
    earlier(supervisor, r="success")
    ended = begin(supervisor, WHOLE_RUN)
    assert trigger_of(ended).nodes is None
    assert ended.log[-1] == f"Waiting for run {EARLIER_RUN}: it has not ended"


def test_nothing_is_asked_without_a_coupling(supervisor: Supervisor) -> None:
    earlier(supervisor, r="running")
    assert begin(supervisor, {"kind": "scheduled"}).state == "success"
    assert supervisor.questions == ["GetTICount"]


def test_a_dry_run_waits_for_nothing(supervisor: Supervisor) -> None:
    earlier(supervisor, r="running")
    assert begin(supervisor, {**MODE_1, "dry_run": True}).state == "success"
    assert supervisor.questions == []


# After the wait


def test_the_node_looks_again_and_works(supervisor: Supervisor) -> None:
    earlier(supervisor, r="success")
    event = {"event": {"earlier_run": EARLIER_RUN}}
    assert begin(supervisor, MODE_1, next_method="begin", next_kwargs=event).state == "success"


def test_a_node_that_was_cleared_meanwhile_is_waited_for_again(supervisor: Supervisor) -> None:
    earlier(supervisor, r="running")
    event = {"event": {"earlier_run": EARLIER_RUN}}
    ended = begin(supervisor, MODE_1, next_method="begin", next_kwargs=event)
    assert trigger_of(ended).nodes == ["r"]


@pytest.mark.parametrize("policy", ["complete_running_tasks", "immediately_stop_all_tasks"])
def test_a_node_that_waited_while_another_failed_is_not_run(supervisor: Supervisor, policy: Any) -> None:
    earlier(supervisor, r="running")
    supervisor.states[THIS_RUN] = {"a": "failed"}
    worked: list[Node] = []
    event = {"event": {"earlier_run": EARLIER_RUN}}
    ended = begin(
        supervisor, MODE_1, FlowPolicies(policy), worked.append, next_method="begin", next_kwargs=event
    )
    assert (ended.state, worked) == ("skipped", [])


def test_an_unrelated_node_waits_on_beside_a_failure(supervisor: Supervisor) -> None:
    earlier(supervisor, r="running")
    supervisor.states[THIS_RUN] = {"a": "failed"}
    trigger = trigger_of(begin(supervisor, MODE_1, FlowPolicies("complete_unrelated_tasks")))
    assert trigger.gives_up_on_failure is False


def test_waiting_is_not_marked_as_begun_work(supervisor: Supervisor) -> None:
    earlier(supervisor, r="running")
    begin(supervisor, MODE_1)
    assert not [msg for msg in supervisor.said if type(msg).__name__ == "SetXCom"]


def test_a_retry_asks_again(supervisor: Supervisor) -> None:
    earlier(supervisor, r="up_for_retry")
    assert begin(supervisor, MODE_1, try_number=2, retries=2).state == "deferred"


def test_nobody_who_cannot_ask_overtakes_the_earlier_run(supervisor: Supervisor) -> None:
    earlier(supervisor, r="running")
    supervisor.silent_for = 2
    worked: list[Node] = []
    ended = begin(supervisor, MODE_1, FlowPolicies("complete_unrelated_tasks"), worked.append, retries=1)
    assert (ended.state, worked) == ("up_for_retry", [])
