"""Invocations of earlier tries that the service does not know: any more, or not yet."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dms_provider.cloud_assistant.record import STORE_KEY
from dms_provider.cloud_assistant.starting import LATE_SECONDS, EarlierScriptRuns
from tests.dms_provider.databases import wait_until
from tests.dms_provider.operators.remote_commands import Flow, node
from tests.doubles.ecs import CloudAssistantServer, Refusal


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dms_provider.triggers.ecs_remote_command.settling_seconds", lambda: 0.0)


def leave_forgotten(cloud: CloudAssistantServer, flow: Flow, runs_until: float | None) -> None:
    """Start a script, and have the service and the record look as they do later."""
    flow.start(node(script="sleep 600"))
    wait_until(lambda: bool(cloud.instances.started), "the script to start")
    (kept,) = flow.store.get(STORE_KEY)
    assert kept["runs_until"] == pytest.approx(time.time() + 3600, abs=300)
    flow.store.set(STORE_KEY, [{**kept, "runs_until": runs_until}])
    cloud.invocations.clear()


@pytest.mark.parametrize("is_refused", [True, False])
def test_an_invocation_that_the_service_has_forgotten(
    cloud: CloudAssistantServer, flow: Flow, monkeypatch: pytest.MonkeyPatch, is_refused: bool
) -> None:
    leave_forgotten(cloud, flow, time.time() - LATE_SECONDS - 1)
    tell = cloud._results

    def results(query: dict[str, str]) -> dict[str, Any]:
        if query["InvokeId"] not in cloud.invocations:
            raise Refusal(404, "InvalidInvoke.NotFound", "The specified invoke record does not exist.")
        return tell(query)

    if is_refused:
        monkeypatch.setattr(cloud, "_results", results)
    flow.run(node(), 2)
    assert any("its limit is long over: going on" in line for line in flow.log.lines)
    flow.log.lines.clear()
    flow.run(node(), 3)
    assert not any("long over" in line for line in flow.log.lines)


@pytest.mark.parametrize("age", [LATE_SECONDS - 60, None])
def test_an_invocation_that_the_service_may_not_know_yet(
    cloud: CloudAssistantServer, flow: Flow, monkeypatch: pytest.MonkeyPatch, age: float | None
) -> None:
    leave_forgotten(cloud, flow, age and time.time() - age)
    monkeypatch.setattr("dms_provider.cloud_assistant.starting.TryStarter.stop_earlier.__defaults__", (0.3,))
    with pytest.raises(EarlierScriptRuns, match="the script was not started"):
        flow.run(node(), 2)
    assert cloud.counts["RunCommand"] == 1


def test_a_script_that_runs_long_after_its_limit_is_stopped(cloud: CloudAssistantServer, flow: Flow) -> None:
    flow.start(node(script="sleep 600"))
    wait_until(lambda: bool(cloud.instances.started), "the script to start")
    (kept,) = flow.store.get(STORE_KEY)
    flow.store.set(STORE_KEY, [{**kept, "runs_until": 0.0}])
    flow.run(node(), 2)
    assert cloud.counts["StopInvocation"] > 0
    assert cloud.instances.overlaps == 0
