"""The wait for a script in the triggerer: its end, its kill, and an API that does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dms_provider.cloud_assistant.command import Command, Try
from dms_provider.hooks.alibaba_cloud import AlibabaCloudHook
from dms_provider.sessions.source import SourceError
from dms_provider.triggers.ecs_remote_command import MOST_REFUSALS, ECSRemoteCommandTrigger
from tests.dms_provider.databases import wait_until
from tests.dms_provider.operators.remote_commands import payload
from tests.dms_provider.operators.running import Log
from tests.doubles.ecs import CloudAssistantServer


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudAssistantServer]:
    monkeypatch.setattr("dms_provider.triggers.ecs_remote_command.settling_seconds", lambda: 0.0)
    with CloudAssistantServer() as server:
        monkeypatch.setenv("AIRFLOW_CONN_ALI", server.connection)
        yield server


def started(
    cloud: CloudAssistantServer, script: str, deadline: float | None = None
) -> ECSRemoteCommandTrigger:
    """Start a script, and return what waits for it."""
    assistant = AlibabaCloudHook("ali").cloud_assistant("cn-hangzhou")
    command = Command(script, "shell", ("i-1", "i-2"))
    invoke_id = assistant.run(command, Try("flow", "run", "node", -1, 1, "id"))
    wait_until(lambda: len(cloud.instances.started) == 2, "the script to start")
    return ECSRemoteCommandTrigger(
        conn_id="ali",
        owner="alice",
        region="cn-hangzhou",
        invoke_id=invoke_id,
        instances=["i-1", "i-2"],
        poll_interval=0.05,
        deadline=deadline,
    )


def told(trigger: ECSRemoteCommandTrigger) -> Any:
    return asyncio.run(payload(trigger))


def test_the_end_is_told_however_it_was(cloud: CloudAssistantServer) -> None:
    trigger = started(cloud, "sleep 0.2; exit 4")
    assert told(trigger) == {"invoke_id": trigger.invoke_id, "problem": None}


def test_no_event_before_airflow_is_ready_for_it(
    cloud: CloudAssistantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dms_provider.triggers.ecs_remote_command.settling_seconds", lambda: 1.0)
    begin = time.monotonic()
    assert told(started(cloud, "true"))["problem"] is None
    assert time.monotonic() - begin >= 1.0


@pytest.mark.parametrize("kind", ["error", "gateway", "cut", "throttled"])
def test_an_api_in_trouble_is_asked_on(cloud: CloudAssistantServer, kind: str) -> None:
    trigger = started(cloud, "true")
    with cloud.fault("DescribeInvocationResults", kind, times=5):
        assert told(trigger)["problem"] is None


def test_time_that_is_over_stops_the_script(cloud: CloudAssistantServer) -> None:
    problem = told(started(cloud, "sleep 600", deadline=time.time() + 0.5))["problem"]
    assert problem == "it did not end in time; it was stopped"
    assert cloud.is_idle


def test_a_script_that_cannot_be_stopped_is_told(
    cloud: CloudAssistantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dms_provider.triggers.ecs_remote_command.KILL_SECONDS", 0.5)
    cloud.instances.obey_stop = False
    problem = told(started(cloud, "sleep 600", deadline=time.time()))["problem"]
    assert problem.startswith("it did not end in time; it was told to stop, and may still run: i-1: Running")


def test_a_key_that_has_become_wrong(cloud: CloudAssistantServer) -> None:
    trigger = started(cloud, "sleep 600")
    cloud.keys["test-key"] = "another"
    problem = told(trigger)["problem"]
    assert cloud.counts["DescribeInvocationResults"] >= MOST_REFUSALS
    assert "SignatureDoesNotMatch" in problem
    assert "may still run" in problem


def test_airflow_does_not_tell_the_connection_for_a_moment(
    cloud: CloudAssistantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = started(cloud, "sleep 0.2")
    connect, asked = trigger._connected, []

    def connected() -> Any:
        asked.append(1)
        if len(asked) < MOST_REFUSALS:
            raise SourceError("connection ali does not exist; create it, or name another")
        return connect()

    monkeypatch.setattr(trigger, "_connected", connected)
    assert told(trigger)["problem"] is None
    assert cloud.counts["StopInvocation"] == 0


def test_a_key_that_was_replaced_in_the_connection(
    cloud: CloudAssistantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = started(cloud, "sleep 600")

    async def replaced() -> Any:
        waiting = asyncio.create_task(payload(trigger))
        while cloud.counts["DescribeInvocationResults done"] < 1:
            await asyncio.sleep(0.01)
        monkeypatch.setenv("AIRFLOW_CONN_ALI", cloud.connection.replace("Zq7Kx0Wb2Lm9", "another"))
        cloud.keys["test-key"] = "another"
        asked = cloud.counts["DescribeInvocationResults done"]
        while cloud.counts["DescribeInvocationResults done"] < asked + 2:
            await asyncio.sleep(0.01)
        assert await asyncio.to_thread(trigger._stop, 60.0) is None
        return await waiting

    assert asyncio.run(replaced()) == {"invoke_id": trigger.invoke_id, "problem": None}


def test_on_kill_stops_the_script_and_the_end_of_the_triggerer_does_not(cloud: CloudAssistantServer) -> None:
    trigger = started(cloud, "sleep 600")

    async def end_of_triggerer() -> None:
        waiting = asyncio.create_task(payload(trigger))
        while cloud.counts["DescribeInvocationResults"] < 2:
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(end_of_triggerer())
    assert not cloud.is_idle
    assert cloud.counts["StopInvocation"] == 0
    log = Log()
    again = ECSRemoteCommandTrigger(**trigger.serialize()[1])
    again._cached_logger = log  # type: ignore[attr-defined]  # where Airflow keeps it
    asyncio.run(again.on_kill())
    assert cloud.is_idle


@pytest.mark.parametrize("obeys", [True, False])
def test_on_kill_goes_on_where_airflow_cancels_it(
    cloud: CloudAssistantServer, monkeypatch: pytest.MonkeyPatch, obeys: bool
) -> None:
    monkeypatch.setattr("dms_provider.triggers.ecs_remote_command.KILL_SECONDS", 60 if obeys else 0.5)
    trigger = started(cloud, "sleep 600")
    cloud.instances.obey_stop = obeys
    log = Log()
    monkeypatch.setattr(trigger, "_log", log)

    async def cancelled() -> None:
        killing = asyncio.create_task(trigger.on_kill())
        while cloud.counts["StopInvocation"] < 1:
            await asyncio.sleep(0.01)
        killing.cancel("user-action")
        with pytest.raises(asyncio.CancelledError):
            await killing

    with cloud.fault("StopInvocation", "held"):
        asyncio.run(cancelled())
        assert not cloud.is_idle
    if obeys:
        wait_until(lambda: cloud.is_idle, "the script to end")
    else:
        wait_until(lambda: "may still run: i-1: Running" in str(log.lines), "the log to tell")
