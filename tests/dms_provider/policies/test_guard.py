"""What a node does for its flow's policies, each try run by Airflow's own task runner."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    AirflowTaskTimeout,
)
from airflow.sdk.execution_time import comms

from dms_provider.policies import watch
from dms_provider.policies.rules import FlowPolicies
from tests.dms_provider.policies.supervisor import (
    NOW,
    THIS_RUN,
    Node,
    Supervisor,
    flow,
    run_node,
)

COMPLETE = FlowPolicies("complete_running_tasks")
STOP = FlowPolicies("immediately_stop_all_tasks")
UNRELATED = FlowPolicies("complete_unrelated_tasks")


def node_r(policies: FlowPolicies, does: Callable[[Node], Any] = lambda node: "done") -> Node:
    """Return ``r`` of a flow with ``a``, which stands beside it."""
    return flow(policies, a=lambda node: None, r=does)["r"]


def fails(node: Node) -> None:
    raise RuntimeError("no such table")


# Before the work


@pytest.mark.parametrize("policies", [COMPLETE, STOP])
def test_a_node_is_held_back_once_another_has_failed(supervisor: Supervisor, policies: FlowPolicies) -> None:
    supervisor.states[THIS_RUN] = {"a": "failed", "r": "running"}
    worked: list[Node] = []
    ended = run_node(node_r(policies, worked.append), supervisor)
    assert ended.state == "skipped"
    assert worked == []


def test_it_says_why_it_is_held_back(supervisor: Supervisor) -> None:
    supervisor.states[THIS_RUN] = {"a": "failed", "b": "failed", "c": "success"}
    ended = run_node(node_r(COMPLETE), supervisor)
    assert [entry["reason"] for entry in ended.told if entry["event"] == "Skipping task."] == [
        "not run: a, b failed, and the flow's policy is complete_running_tasks"
    ]


@pytest.mark.parametrize(
    "states",
    [
        {"a": "success"},
        {"a": "up_for_retry"},
        {"a": "skipped", "b": "upstream_failed"},
        {"dms__outcome": "failed"},
        {"r": "failed"},
    ],
)
@pytest.mark.parametrize("policies", [COMPLETE, STOP])
def test_nothing_is_held_back_until_a_node_has_failed_for_good(
    supervisor: Supervisor, policies: FlowPolicies, states: dict[str, str | None]
) -> None:
    supervisor.states[THIS_RUN] = states
    assert run_node(node_r(policies), supervisor).state == "success"


def test_unrelated_nodes_run_and_ask_nothing(supervisor: Supervisor) -> None:
    supervisor.states[THIS_RUN] = {"a": "failed"}
    assert run_node(node_r(UNRELATED), supervisor).state == "success"
    assert supervisor.questions == []


@pytest.mark.parametrize(("policies", "state"), [(COMPLETE, "success"), (STOP, "skipped")])
def test_the_answer_to_a_failure(supervisor: Supervisor, policies: FlowPolicies, state: str) -> None:
    supervisor.states[THIS_RUN] = {"a": "failed"}
    node = node_r(policies)
    node.answers_failure = True
    assert run_node(node, supervisor).state == state


@pytest.mark.parametrize("policies", [COMPLETE, STOP, UNRELATED])
def test_without_a_failure_a_node_asks_once_at_most(supervisor: Supervisor, policies: FlowPolicies) -> None:
    supervisor.states[THIS_RUN] = {"a": "success", "r": "running"}
    assert run_node(node_r(policies), supervisor).state == "success"
    assert supervisor.questions == (["GetTICount"] if policies.holds_back else [])


def test_nobody_who_cannot_ask_begins(supervisor: Supervisor) -> None:
    supervisor.silent_for = 1
    worked: list[Node] = []
    ended = run_node(node_r(COMPLETE, worked.append), supervisor, retries=1)
    assert (ended.state, worked) == ("up_for_retry", [])


# After the work


@pytest.mark.parametrize("policies", [COMPLETE, STOP])
def test_a_node_that_fails_is_not_tried_again_after_another(
    supervisor: Supervisor, policies: FlowPolicies
) -> None:
    def fails_after_another(node: Node) -> None:
        supervisor.states[THIS_RUN]["a"] = "failed"
        fails(node)

    ended = run_node(node_r(policies, fails_after_another), supervisor, retries=2)
    assert ended.state == "failed"
    assert str(ended.error) == (
        f"no such table; not tried again: a failed, and the flow's policy is {policies.error_handling}"
    )


def test_a_node_that_fails_alone_is_tried_again(supervisor: Supervisor) -> None:
    ended = run_node(node_r(COMPLETE, fails), supervisor, retries=2)
    assert ended.state == "up_for_retry"
    assert str(ended.error) == "no such table"


def test_the_last_try_fails_as_it_does(supervisor: Supervisor) -> None:
    def fails_after_another(node: Node) -> None:
        supervisor.states[THIS_RUN]["a"] = "failed"
        fails(node)

    ended = run_node(node_r(COMPLETE, fails_after_another), supervisor, try_number=3, retries=2)
    assert (ended.state, str(ended.error)) == ("failed", "no such table")
    assert supervisor.questions == ["GetTICount"]


def test_a_failure_is_told_although_nobody_answers(supervisor: Supervisor) -> None:
    def fails_in_silence(node: Node) -> None:
        supervisor.silent_for = 5
        fails(node)

    ended = run_node(node_r(COMPLETE, fails_in_silence), supervisor, retries=2)
    assert (ended.state, str(ended.error)) == ("up_for_retry", "no such table")


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (AirflowSkipException("not today"), "skipped"),
        (AirflowRescheduleException(NOW), "up_for_reschedule"),
        (AirflowFailException("never"), "failed"),
    ],
)
def test_other_ends_of_a_try_stay_what_they_are(
    supervisor: Supervisor, outcome: Exception, state: str
) -> None:
    def ends(node: Node) -> None:
        supervisor.states[THIS_RUN]["a"] = "failed"
        raise outcome

    ended = run_node(node_r(COMPLETE, ends), supervisor, retries=2)
    assert ended.state == state
    assert ended.error in (None, outcome)


def test_a_time_out_kills_also_where_the_node_is_not_tried_again(supervisor: Supervisor) -> None:
    def hangs(node: Node) -> None:
        supervisor.states[THIS_RUN]["a"] = "failed"
        time.sleep(20)

    node = node_r(COMPLETE, hangs)
    node.execution_timeout = timedelta(seconds=0.2)
    ended = run_node(node, supervisor, retries=2)
    assert ended.state == "failed"
    assert "not tried again: a failed" in str(ended.error)
    assert node.kills == ["r"]


def test_a_time_out_alone_is_airflows_affair(supervisor: Supervisor) -> None:
    node = node_r(STOP, lambda node: time.sleep(20))
    node.execution_timeout = timedelta(seconds=0.2)
    ended = run_node(node, supervisor, retries=2)
    assert ended.state == "up_for_retry"
    assert isinstance(ended.error, AirflowTaskTimeout)
    assert node.kills == ["r"]


# While it works


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "WATCH_SECONDS", 0.02)


def works_until_killed(supervisor: Supervisor, end: Callable[[Node], Any]) -> Callable[[Node], Any]:
    """Return work that sees another node fail, and ends in some way once it is told to."""

    def work(node: Node) -> Any:
        supervisor.states[THIS_RUN]["a"] = "failed"
        for _ in range(2000):
            if node.kills:
                return end(node)
            time.sleep(0.01)
        raise AssertionError("nobody stopped it")

    return work


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("error", [RuntimeError("cancelled"), AirflowFailException("cancelled")])
def test_immediate_stop_ends_what_is_going(supervisor: Supervisor, error: Exception) -> None:
    def end(node: Node) -> None:
        raise error

    node = node_r(STOP, works_until_killed(supervisor, end))
    ended = run_node(node, supervisor, retries=2)
    assert ended.state == "failed"
    assert str(ended.error) == "stopped: a failed, and the flow's policy is immediately_stop_all_tasks"
    assert node.kills == ["r"]


@pytest.mark.usefixtures("quickly")
def test_what_had_ended_is_not_called_stopped(supervisor: Supervisor) -> None:
    ended = run_node(node_r(STOP, works_until_killed(supervisor, lambda node: "kept")), supervisor)
    assert ended.state == "success"
    assert "WARNING It had ended before it could be stopped, and is kept as it is" in ended.log
    pushed = [msg.value for msg in supervisor.said if isinstance(msg, comms.SetXCom)]
    assert pushed == ["kept"]


@pytest.mark.usefixtures("quickly")
def test_a_question_without_an_answer_is_asked_again(supervisor: Supervisor) -> None:
    def end(node: Node) -> None:
        raise RuntimeError("cancelled")

    work = works_until_killed(supervisor, end)

    def work_in_silence(node: Node) -> Any:
        supervisor.silent_for = 3
        return work(node)

    ended = run_node(node_r(STOP, work_in_silence), supervisor)
    assert ended.state == "failed"
    assert str(ended.error).startswith("stopped: a failed")


@pytest.mark.usefixtures("quickly")
def test_airflow_ends_a_node_that_is_watched(supervisor: Supervisor) -> None:
    def told_to_end(node: Node) -> None:
        signal.raise_signal(signal.SIGTERM)
        assert node.kills == ["r"]
        raise RuntimeError("cancelled")

    ended = run_node(node_r(STOP, told_to_end), supervisor, retries=1)
    assert (ended.state, str(ended.error)) == ("up_for_retry", "cancelled")


@pytest.mark.usefixtures("quickly")
def test_airflow_ends_a_node_while_it_is_stopped(supervisor: Supervisor) -> None:
    def end(node: Node) -> None:
        signal.raise_signal(signal.SIGTERM)
        raise RuntimeError("cancelled")

    node = node_r(STOP, works_until_killed(supervisor, end))
    ended = run_node(node, supervisor, retries=1)
    assert ended.state == "failed"
    assert str(ended.error).startswith("stopped: a failed")
    assert node.kills == ["r", "r"]


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("policies", [COMPLETE, UNRELATED])
def test_the_other_policies_let_it_go_on(supervisor: Supervisor, policies: FlowPolicies) -> None:
    def work(node: Node) -> str:
        supervisor.states[THIS_RUN]["a"] = "failed"
        time.sleep(0.3)
        return "done"

    node = node_r(policies, work)
    assert run_node(node, supervisor).state == "success"
    assert node.kills == []


@pytest.mark.usefixtures("quickly")
def test_no_thread_stays_behind(supervisor: Supervisor) -> None:
    run_node(node_r(STOP), supervisor)
    for thread in threading.enumerate():
        if thread.name == "failure-watch":
            thread.join(60)
            assert not thread.is_alive()


# Nodes that work in the triggerer


def defers(node: Node) -> None:
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

    node.defer(trigger=TimeDeltaTrigger(timedelta(seconds=1)), method_name="after_trigger")


def begun(supervisor: Supervisor) -> list[str]:
    return [msg.key for msg in supervisor.said if isinstance(msg, comms.SetXCom)]


@pytest.mark.parametrize(("policies", "keys"), [(COMPLETE, ["dms_begun"]), (STOP, []), (UNRELATED, [])])
def test_work_that_goes_on_in_the_triggerer_is_known_to_have_begun(
    supervisor: Supervisor, policies: FlowPolicies, keys: list[str]
) -> None:
    ended = run_node(node_r(policies, defers), supervisor)
    assert ended.state == "deferred"
    assert ended.message.next_method == "after_trigger"
    assert begun(supervisor) == keys


def test_immediate_stop_lets_nothing_slip_into_the_triggerer(supervisor: Supervisor) -> None:
    def defers_after_another(node: Node) -> None:
        supervisor.states[THIS_RUN]["a"] = "failed"
        defers(node)

    node = node_r(STOP, defers_after_another)
    ended = run_node(node, supervisor, retries=2)
    assert ended.state == "failed"
    assert str(ended.error).startswith("stopped: a failed")
    assert node.kills == ["r"]


@pytest.mark.parametrize("policies", [COMPLETE, STOP])
def test_a_node_defers_although_nobody_answers(supervisor: Supervisor, policies: FlowPolicies) -> None:
    def defers_in_silence(node: Node) -> None:
        supervisor.silent_for = 1
        defers(node)

    assert run_node(node_r(policies, defers_in_silence), supervisor).state == "deferred"


def test_a_failure_after_the_triggerer_is_not_tried_again_either(supervisor: Supervisor) -> None:
    supervisor.states[THIS_RUN] = {"a": "failed"}
    ended = run_node(node_r(COMPLETE, fails), supervisor, retries=2, next_method="after_trigger")
    assert ended.state == "failed"
    assert "not tried again: a failed" in str(ended.error)


def test_begun_work_goes_on_after_the_triggerer(supervisor: Supervisor) -> None:
    supervisor.states[THIS_RUN] = {"a": "failed"}
    assert run_node(node_r(COMPLETE), supervisor, next_method="after_trigger").state == "success"


def test_a_trigger_that_failed_fails_the_node(supervisor: Supervisor) -> None:
    ended = run_node(
        node_r(COMPLETE), supervisor, next_method="__fail__", next_kwargs={"error": "Trigger failure"}
    )
    assert ended.state == "failed"
    assert "Trigger failure" in str(ended.error)


@pytest.mark.usefixtures("quickly")
def test_immediate_stop_also_ends_what_comes_after_the_triggerer(supervisor: Supervisor) -> None:
    def end(node: Node) -> None:
        raise RuntimeError("cancelled")

    node = node_r(STOP, works_until_killed(supervisor, end))
    ended = run_node(node, supervisor, next_method="after_trigger")
    assert ended.state == "failed"
    assert str(ended.error).startswith("stopped: a failed")
