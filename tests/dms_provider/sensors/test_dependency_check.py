"""The sensor on a worker and its trigger: what they ask, what they tell, and how they end."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType, TaskDeferred
from airflow.sdk.execution_time.comms import ErrorResponse
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from dms_provider.dependencies import NotedRun, NotedRuns, variable_key
from dms_provider.schedules import Schedule
from dms_provider.sensors.dependency_check import DependencyCheckFailed, DependencyCheckSensor
from dms_provider.sensors.flow_runs import FlowRuns
from dms_provider.triggers import deferral
from dms_provider.triggers.dependency_check import DependencyTrigger
from tests.dms_provider.operators.running import Log, context_of

DAILY = Schedule.from_json({"day": {"at": "02:00"}, "timezone": "Asia/Shanghai", "start_late": 0})
MONDAY = "2023-07-31"
"""Of the asking run's week; its business time is 2023-08-03 11:00, a Thursday."""


@dataclass
class Api:
    """Answers like Airflow's API for tasks: states of the runs of one flow, and its Variable.

    It knows one flow, and no task instances but those of the node ``load``.

    :param states: run id -> state
    :param questions: that were asked, without their Variable's
    """

    noted: NotedRuns | None
    states: dict[str, str] = field(default_factory=dict)
    questions: list[list[str]] = field(default_factory=list)
    variables_read: int = 0
    is_down: bool = False

    def variable(self, key: str, default: Any = None, **more: Any) -> Any:
        self._answer()
        self.variables_read += 1
        assert key == variable_key("other")
        return default if self.noted is None else self.noted.to_text()

    def count(self, dag_id: str, run_ids: list[str], states: list[str]) -> int:
        self._answer()
        assert dag_id == "other"
        assert len(run_ids) <= 100
        self.questions.append(run_ids)
        return sum(self.states.get(run_id) in states for run_id in run_ids)

    def task_states(self, dag_id: str, run_ids: list[str], task_ids: list[str]) -> dict[str, dict[str, str]]:
        self._answer()
        assert task_ids == ["load"]
        self.questions.append(run_ids)
        return {run_id: {"load": self.states[run_id]} for run_id in run_ids if run_id in self.states}

    def _answer(self) -> None:
        if self.is_down:
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR))


def noted(**runs: str) -> NotedRuns:
    """Return notes of scheduled runs: id -> day that it is about."""
    about = {run_id: NotedRun(f"{day}T02:00:00+08:00", False, False, 0) for run_id, day in runs.items()}
    return NotedRuns(timezone="Asia/Shanghai", schedule=DAILY, runs=about)


WEEK = noted(mon="2023-07-31", tue="2023-08-01", wed="2023-08-02", thu="2023-08-03")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    found = Api(WEEK)
    monkeypatch.setattr(Variable, "get", found.variable)
    monkeypatch.setattr(RuntimeTaskInstance, "get_dr_count", found.count)
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", found.task_states)
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "0")
    monkeypatch.setattr(deferral, "_MARGIN_SECONDS", 0.0)
    FlowRuns._of_flows.clear()
    yield found
    FlowRuns._of_flows.clear()


def sensor(**more: Any) -> DependencyCheckSensor:
    arguments: dict[str, Any] = {
        "task_id": "wait",
        "flow": "other",
        "window": "this_week",
        "need": "all",
        "execution_timeout": timedelta(hours=1),
        **more,
    }
    return DependencyCheckSensor(**arguments)


def work(node: DependencyCheckSensor, *, describe: bool = False, dag_id: str = "flow") -> list[str]:
    """Do the node's work, or describe it; return its log."""
    log = Log()
    node._cached_logger = log  # type: ignore[assignment]  # where Airflow keeps the logger of an object
    context: Any = context_of(node)
    context["dag_run"].run_type = "scheduled"
    context["dag_run"].dag_id = dag_id
    node.describe(context) if describe else node.do_work(context)
    return log.lines


def deferred(node: DependencyCheckSensor) -> DependencyTrigger:
    with pytest.raises(TaskDeferred) as caught:
        work(node)
    trigger = caught.value.trigger
    assert isinstance(trigger, DependencyTrigger)
    assert caught.value.method_name == "resume"
    arguments = json.loads(json.dumps(trigger.serialize()[1]))
    again = DependencyTrigger(**arguments)
    assert again.serialize() == trigger.serialize()
    assert trigger.serialize()[0] == "dms_provider.triggers.dependency_check.DependencyTrigger"
    return again


def test_what_is_there_needs_no_trigger(api: Api) -> None:
    api.states = dict.fromkeys(("mon", "tue", "wed", "thu"), "success")
    assert work(sensor()) == [
        "Needed: all of other, this_week of 2023-08-03 11:00:00",
        "Looking for success of other on flow other",
        "2023-07-31 02:00:00 done (mon)",
        "2023-08-01 02:00:00 done (tue)",
        "2023-08-02 02:00:00 done (wed)",
        "2023-08-03 02:00:00 done (thu)",
        "Found success of other",
    ]
    # all are success: one question
    assert len(api.questions) == 1


def test_what_is_missing_is_told_for_each_time(api: Api) -> None:
    api.noted = noted(mon="2023-07-31", tue="2023-08-01", wed="2023-08-02")
    api.states = {"mon": "success", "tue": "failed", "wed": "running"}
    node = sensor()
    with pytest.raises(TaskDeferred):
        work(node)
    assert node.log.lines[2:] == [  # type: ignore[attr-defined]  # of the double
        "2023-07-31 02:00:00 done (mon)",
        "2023-08-01 02:00:00 failed (tue)",
        "2023-08-02 02:00:00 running (wed)",
        "2023-08-03 02:00:00 absent",
        "Not there yet; waiting in the triggerer, looking every 60 s",
    ]


def test_a_failed_run_fails_the_node_if_it_is_to(api: Api) -> None:
    api.states = {"mon": "success", "tue": "failed"}
    with pytest.raises(
        DependencyCheckFailed, match=r"on_failed is fail: 2023-08-01 02:00:00 failed \(tue\)$"
    ):
        work(sensor(on_failed="fail"))


@pytest.mark.parametrize(
    ("states", "found"),
    [
        ({"thu": "success"}, "done"),
        ({"thu": "skipped"}, "not run"),
        ({"thu": "upstream_failed"}, "not run"),
        ({"thu": "failed"}, "failed"),
        ({"thu": "up_for_retry"}, "running"),
        ({"thu": "None"}, "running"),
        ({"thu": "removed"}, "absent"),
        ({}, "absent"),
    ],
)
def test_a_node_of_the_flow(api: Api, states: dict[str, str], found: str) -> None:
    api.states = states
    node = sensor(node="load", window="same_day", need="latest")
    try:
        work(node)
    except TaskDeferred:
        assert found != "done"
    runs = " (thu: deleted, or without a node load)" if found == "absent" else " (thu)"
    assert f"2023-08-03 02:00:00 {found}{runs}" in node.log.lines  # type: ignore[attr-defined]  # of the double
    assert len(api.questions) == 1


def test_nobody_noted_the_runs(api: Api) -> None:
    api.noted = None
    with pytest.raises(DependencyCheckFailed, match=r"Airflow Variable dms__runs__other.*Rerun"):
        work(sensor())


def test_a_flow_that_is_not_there_yet(api: Api) -> None:
    api.noted = NotedRuns(timezone="UTC", exists=False)
    node = sensor()
    with pytest.raises(TaskDeferred):
        work(node)
    assert "there is no flow other yet" in node.log.lines  # type: ignore[attr-defined]  # of the double
    with pytest.raises(TaskDeferred):
        work(sensor(first_run="pass"))


@pytest.mark.parametrize(
    ("known", "remark"),
    [
        ({"is_paused": True}, "other was paused when this was asked for"),
        ({"is_gone": True, "is_paused": True}, "other was gone when this was asked for"),
        ({"waits_for": ("flow",)}, "other itself waits for flow"),
        ({"waits_for": ("third",)}, None),
    ],
)
def test_why_runs_may_not_come(api: Api, known: dict[str, Any], remark: str | None) -> None:
    api.noted = replace(WEEK, **known)
    api.states = dict.fromkeys(WEEK.runs, "success") | {"thu": "running"}
    node = sensor()
    with pytest.raises(TaskDeferred):
        work(node)
    lines = node.log.lines  # type: ignore[attr-defined]  # of the double
    assert [line for line in lines if line.startswith("other ")] == [
        line for line in lines if remark is not None and remark in line
    ]
    assert bool(remark) is any(line.startswith("other ") for line in lines)
    api.states["thu"] = "success"
    assert not any(line.startswith("other ") for line in work(sensor(poke_interval=0)))


def test_a_flow_that_never_ran(api: Api) -> None:
    api.noted = NotedRuns(timezone="UTC")
    assert work(sensor(first_run="pass"))[-1] == "Found success of other"


def test_the_default_window(api: Api) -> None:
    api.states = {"thu": "success", "wed": "success"}
    assert "same_day" in work(sensor(window=None, need="latest"))[0]
    assert "previous_cycle" in work(sensor(window=None, need="latest"), dag_id="other")[0]
    assert "previous_cycle" in work(sensor(window=None, need="latest"), dag_id="other__draft")[0]


def test_a_dry_run_tells_and_does_not_wait(api: Api) -> None:
    api.states = {"mon": "success"}
    lines = work(sensor(), describe=True)
    assert lines[0] == (
        "Would wait for all of other, this_week of 2023-08-03 11:00:00: business times from"
        " 2023-07-31 00:00:00 to 2023-08-03 23:59:59 (Asia/Shanghai)"
    )
    assert lines[1:] == ["2023-07-31 02:00:00 done (mon)"] + [
        f"2023-08-{day} 02:00:00 absent ({run}: deleted)"
        for day, run in (("01", "tue"), ("02", "wed"), ("03", "thu"))
    ]
    api.is_down = True
    assert "did not tell" in work(sensor(), describe=True)[-1]


def test_wrong_words_are_refused() -> None:
    for wrong in ({"need": "some"}, {"first_run": "yes"}, {"on_failed": "skip"}):
        with pytest.raises(ValueError, match="write "):
            sensor(**wrong)
    with pytest.raises(ValueError, match="is no window"):
        work(sensor(window="today"))


def test_nothing_of_it_is_a_template(api: Api) -> None:
    node = sensor(flow="{{ 1 + 1 }}")
    node.render_template_fields({})
    assert node.flow == "{{ 1 + 1 }}"


async def payload(trigger: DependencyTrigger) -> Any:
    (event,) = [event async for event in trigger.run()]
    return event.payload


async def until(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


def test_the_trigger_tells_what_changes(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    monkeypatch.setattr(DependencyTrigger, "log", log)
    api.states = dict.fromkeys(("mon", "tue", "wed"), "success")
    trigger = deferred(sensor(poke_interval=0.02))

    async def wait() -> Any:
        waiting = asyncio.create_task(payload(trigger))
        for state, word in (("queued", "running"), ("failed", "failed"), ("running", "running")):
            api.states["thu"] = state
            await until(
                lambda word=word: (
                    log.lines and any("thu" in line and word in line for line in log.lines[-40:])
                )
            )
            log.lines[:] = []
        api.is_down = True
        await until(lambda: any(line.startswith("WARNING Could not look") for line in log.lines))
        api.is_down = False
        assert not waiting.done()
        api.states["thu"] = "success"
        return await waiting

    assert asyncio.run(wait()) == {"found": "success of other", "problem": None}
    told = [line for line in log.lines if "2023-08" in line]
    assert told[-1] == "2023-08-03 02:00:00 done (thu)"


def test_a_timeout_lists_what_is_missing(api: Api) -> None:
    api.states = {"mon": "success", "tue": "failed"}
    trigger = deferred(sensor(poke_interval=0.02, execution_timeout=timedelta(seconds=1)))
    told = asyncio.run(payload(trigger))
    assert told["problem"] == (
        "success of other did not come in time: 2023-08-01 02:00:00 failed (tue); 2023-08-02 02:00:00 absent"
        " (wed: deleted); 2023-08-03 02:00:00 absent (thu: deleted)"
    )
    with pytest.raises(DependencyCheckFailed, match="did not come in time"):
        sensor().resume({}, told)


def test_many_nodes_ask_together(api: Api) -> None:
    number = 60
    runs = {f"run{day}": f"2023-08-{day + 1:02}" for day in range(3)}
    api.noted = noted(**runs)
    api.states = dict.fromkeys(runs, "running")
    made = []
    for _ in range(number):
        FlowRuns._of_flows.clear()
        made.append(deferred(sensor(window="same_day", need="latest", poke_interval=1)))
    FlowRuns._of_flows.clear()
    api.questions.clear()
    api.variables_read = 0

    async def wait() -> list[Any]:
        waiting = [asyncio.create_task(payload(trigger)) for trigger in made]
        await until(lambda: api.variables_read >= 2)
        api.states = dict.fromkeys(runs, "success")
        return await asyncio.gather(*waiting)

    assert [told["problem"] for told in asyncio.run(wait())] == [None] * number
    # each look of one of them serves the others: three questions while the run goes on, one when it is done
    assert api.variables_read < number / 4
    assert len(api.questions) < number


def test_what_others_want_is_asked_for_along_with_it(api: Api) -> None:
    runs = FlowRuns.of("other")
    api.states = {"mon": "success", "tue": "failed", "wed": "running"}

    class Asking:
        pass

    first, second = Asking(), Asking()
    assert runs.states(first, None, ["mon", "gone"], 60) == {"mon": "done"}
    assert runs.states(second, None, ["tue", "wed"], 60) == {"tue": "failed", "wed": "running"}
    asked = len(api.questions)
    assert runs.states(first, None, ["mon", "tue"], 60) == {"mon": "done", "tue": "failed"}
    assert len(api.questions) == asked
    assert runs.states(first, None, ["mon"], 0) == {"mon": "done"}
    assert api.questions[asked] == ["mon", "tue", "wed"]
    del second
    asked = len(api.questions)
    runs.states(first, None, ["mon"], 0)
    assert api.questions[asked] == ["mon"]


def test_no_question_has_an_address_that_a_proxy_refuses(api: Api) -> None:
    ids = [f"{run:04}{'+' * 246}" for run in range(30)] + [f"scheduled__{run}" for run in range(150)]
    api.states = dict.fromkeys(ids, "success")
    for node in (None, "load"):
        api.questions.clear()
        assert len(FlowRuns.of("other").states(threading.Event(), node, ids, 60)) == len(ids)
        assert sorted(run_id for asked in api.questions for run_id in asked) == sorted(ids)
        for asked in api.questions:
            assert len(asked) == 1 or len(urlencode({"run_ids": asked}, doseq=True)) <= 4_000


def test_many_runs_need_few_questions(api: Api) -> None:
    number = 1000
    ids = [f"run{run:04}" for run in range(number)]
    api.states = dict.fromkeys(ids, "success") | {"run0500": "failed", "run0777": "running"}
    found = FlowRuns.of("other").states(threading.Event(), None, ids, 60)
    assert (found.pop("run0500"), found.pop("run0777")) == ("failed", "running")
    assert set(found.values()) == {"done"}
    assert len(api.questions) < 50
