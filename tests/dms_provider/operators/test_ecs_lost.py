"""No script runs on unseen: answers that are lost, results that are not there yet, keys that become wrong."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferralError

from dms_provider.cloud_assistant.client import CloudAssistantError
from dms_provider.operators import leaving
from dms_provider.operators.ecs_remote_command import RemoteCommandFailed
from tests.dms_provider.databases import wait_until
from tests.dms_provider.operators.remote_commands import Flow, node
from tests.doubles.ecs import CloudAssistantServer


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dms_provider.cloud_assistant.client.RETRY_WAITS", (0.01,) * 6)
    monkeypatch.setattr("dms_provider.triggers.ecs_remote_command.settling_seconds", lambda: 0.0)


def test_trouble_that_lasts_is_a_failure_and_leaves_no_script(
    cloud: CloudAssistantServer, flow: Flow
) -> None:
    with (
        cloud.fault("RunCommand", "error", "after", times=100),
        pytest.raises(CloudAssistantError, match="cannot run the script: ECS answered InternalError"),
    ):
        flow.run(node(script="sleep 600"))
    # The answer was lost, not the script.
    assert cloud.counts["RunCommand done"] == 7
    assert cloud.is_idle
    assert "WARNING The script was stopped: ECS had taken the request that got no answer" in flow.log.lines
    flow.run(node(), 2)
    assert len(cloud.invocations) == 2


def test_a_script_of_which_nobody_can_keep_the_id_is_stopped(
    cloud: CloudAssistantServer, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, kept = flow.store.set, []

    def fail_the_second_time(key: str, value: Any) -> None:
        kept.append(value)
        if len(kept) == 2:
            raise ConnectionError("no API server")
        keep(key, value)

    monkeypatch.setattr(flow.store, "set", fail_the_second_time)
    with pytest.raises(ConnectionError, match="no API server"):
        flow.run(node(script="sleep 600"))
    assert len(cloud.invocations) == 1
    assert cloud.is_idle


def test_a_script_that_tells_no_results_yet_is_stopped(cloud: CloudAssistantServer, flow: Flow) -> None:
    operator = node(script="sleep 600")
    flow.start(operator)
    wait_until(lambda: bool(cloud.instances.started), "the script to start")
    stopper = operator._stopper
    assert stopper is not None
    assert stopper.sent is not None
    stopper.sent = replace(stopper.sent, invoke_id=None)
    (invocation,) = cloud.invocations.values()
    executions, invocation.executions = invocation.executions, []
    assert stopper.stop(0.5) == "nothing is known of it yet"
    invocation.executions = executions
    assert stopper.stop(60) is None
    assert cloud.is_idle


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_key_that_becomes_wrong_while_the_script_runs(
    cloud: CloudAssistantServer, flow: Flow, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    operator = node(script="sleep 600", deferrable=deferrable)
    monkeypatch.setattr("dms_provider.triggers.ecs_remote_command.KILL_SECONDS", 0.5)

    def replace_key() -> None:
        wait_until(lambda: cloud.counts["DescribeInvocationResults done"] > 0, "a question for the results")
        cloud.keys["test-key"] = "another"

    replacing = threading.Thread(target=replace_key)
    replacing.start()
    with pytest.raises(
        RemoteCommandFailed, match=r"(?s)invocation t-.*SignatureDoesNotMatch.*it may still run: "
    ):
        flow.run(operator)
    replacing.join()
    assert cloud.counts["StopInvocation"] > 0


def test_a_wait_that_airflow_ended(cloud: CloudAssistantServer, flow: Flow) -> None:
    operator = node(script="sleep 600")
    flow.start(operator)
    wait_until(lambda: bool(cloud.instances.started), "the script to start")
    operator._hook = operator._stopper = None
    context: Any = flow.context(operator, 1)
    with pytest.raises(TaskDeferralError):
        operator.resume_execution("__fail__", {"error": "Trigger/execution timeout"}, context)
    assert cloud.is_idle


@pytest.mark.parametrize("state", ["failed", "success", "queued", None])
def test_a_script_whose_task_could_not_be_deferred(
    cloud: CloudAssistantServer, flow: Flow, caplog: pytest.LogCaptureFixture, state: str | None
) -> None:
    assert flow.start(node(script="sleep 600")) is not None
    wait_until(lambda: bool(cloud.instances.started), "the script to start")
    flow.states["node"] = state
    leaving.before_stopping(object())
    assert cloud.is_idle
    assert f"The task is {state or 'cleared'}, and not deferred: stopping what it began" in caplog.text
    assert "may go on" not in caplog.text


@pytest.mark.parametrize("state", ["deferred", "running"])
def test_a_script_that_is_waited_for_goes_on(
    cloud: CloudAssistantServer, flow: Flow, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(leaving, "TAKEN_UP_SECONDS", 0.0)
    operator = node(script="sleep 600")
    assert flow.start(operator) is not None
    wait_until(lambda: bool(cloud.instances.started), "the script to start")
    flow.states["node"] = state
    leaving.before_stopping(object())
    leaving.before_stopping(object())
    assert cloud.counts["StopInvocation"] == 0
    assert not cloud.is_idle


def test_a_task_that_is_marked_before_a_triggerer_has_it(cloud: CloudAssistantServer, flow: Flow) -> None:
    assert flow.start(node(script="sleep 600")) is not None
    wait_until(lambda: bool(cloud.instances.started), "the script to start")
    flow.states["node"] = "deferred"
    leaves = threading.Thread(target=leaving.before_stopping, args=(object(),))
    leaves.start()
    flow.states["node"] = "failed"
    leaves.join()
    assert cloud.is_idle


def test_nobody_tells_whether_the_task_was_deferred(
    cloud: CloudAssistantServer, flow: Flow, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert flow.start(node(script="sleep 600")) is not None
    monkeypatch.setattr(
        "tests.dms_provider.operators.running.TaskInstance.get_task_states",
        lambda *_, **__: (_ for _ in ()).throw(ConnectionError("no API server")),
    )
    leaving.before_stopping(object())
    assert "It is not known whether somebody waits for what this task began" in caplog.text
    assert cloud.counts["StopInvocation"] == 0
