"""The trigger that waits for an earlier run, against what Airflow would answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dms_provider.triggers import deferral
from dms_provider.triggers.earlier_run import EarlierRunTrigger
from dms_provider.triggers.run_states import RunStates
from tests.dms_provider.policies.conftest import supervisor
from tests.dms_provider.policies.supervisor import EARLIER_RUN, THIS_RUN, Supervisor

__all__ = ["supervisor"]

INTERVAL = 0.02


def trigger(
    nodes: Sequence[str] | None = ("r",),
    *,
    run_id: str = THIS_RUN,
    earlier_run: str = EARLIER_RUN,
    gives_up: bool = True,
) -> EarlierRunTrigger:
    return EarlierRunTrigger(
        dag_id="flow",
        run_id=run_id,
        earlier_run=earlier_run,
        nodes=nodes,
        gives_up_on_failure=gives_up,
        poll_interval=INTERVAL,
    )


async def event_of(one: EarlierRunTrigger) -> Any:
    events = [event.payload async for event in one.run()]
    assert len(events) == 1
    return events[0]


async def rounds(supervisor: Supervisor, number: int = 3) -> None:
    """Wait until the triggers of a flow have asked so many times more."""
    enough = Counter(supervisor.questions)["GetTaskStates"] + number
    while Counter(supervisor.questions)["GetTaskStates"] < enough:
        await asyncio.sleep(INTERVAL)


@asynccontextmanager
async def waiting(
    supervisor: Supervisor, *triggers: EarlierRunTrigger
) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Run triggers as a triggerer does; those that still wait at the end are cancelled."""
    tasks = [asyncio.create_task(event_of(one)) for one in triggers]
    await rounds(supervisor)
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def play(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(_finite(story), 120))


async def _finite(story: Callable[[], Awaitable[None]]) -> None:
    await story()


@pytest.fixture(autouse=True)
def ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of the task that deferred itself has ended."""
    monkeypatch.setattr(deferral, "_MARGIN_SECONDS", 0.0)
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "0")


@pytest.fixture
def earlier(supervisor: Supervisor) -> dict[str, str | None]:
    """The states of the earlier run, which is going."""
    supervisor.going.add(EARLIER_RUN)
    return supervisor.states.setdefault(EARLIER_RUN, {"r": "running", "s": None})


def test_it_can_be_made_again() -> None:
    one = trigger(None, gives_up=False)
    path, arguments = one.serialize()
    assert path == "dms_provider.triggers.earlier_run.EarlierRunTrigger"
    assert EarlierRunTrigger(**arguments).serialize() == (path, arguments)


@pytest.mark.parametrize("state", ["success", "failed", "skipped", "upstream_failed", "removed"])
def test_it_ends_once_the_nodes_have_finished(
    supervisor: Supervisor, earlier: dict[str, str | None], state: str
) -> None:
    async def story() -> None:
        async with waiting(supervisor, trigger(["r", "s"])) as (task,):
            earlier["r"] = state
            await rounds(supervisor)
            assert not task.done()
            earlier["s"] = state
            assert await task == {"earlier_run": EARLIER_RUN}

    play(story)


def test_it_does_not_end_before_the_process_that_deferred(
    supervisor: Supervisor, earlier: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "0.5")
    earlier.update(r="success")

    async def story() -> None:
        begin = asyncio.get_running_loop().time()
        await event_of(trigger())
        assert asyncio.get_running_loop().time() - begin >= 0.5

    play(story)


@pytest.mark.parametrize("nodes", [["r"], None])
@pytest.mark.parametrize("deleted", [True, False])
def test_it_ends_with_the_earlier_run(
    supervisor: Supervisor, earlier: dict[str, str | None], nodes: list[str] | None, deleted: bool
) -> None:
    async def story() -> None:
        async with waiting(supervisor, trigger(nodes)) as (task,):
            assert not task.done()
            supervisor.going.discard(EARLIER_RUN)
            if deleted:
                del supervisor.states[EARLIER_RUN]
            assert await task == {"earlier_run": EARLIER_RUN}

    play(story)


def test_the_whole_run_is_waited_for_although_its_nodes_have_finished(
    supervisor: Supervisor, earlier: dict[str, str | None]
) -> None:
    earlier.update(r="success", s="success")

    async def story() -> None:
        async with waiting(supervisor, trigger(None)) as (task,):
            assert not task.done()

    play(story)


def test_nodes_that_the_earlier_run_does_not_have(
    supervisor: Supervisor, earlier: dict[str, str | None]
) -> None:
    earlier["r"] = "success"
    play(lambda: _ends(trigger(["r", "new"])))


async def _ends(one: EarlierRunTrigger) -> None:
    assert await event_of(one) == {"earlier_run": EARLIER_RUN}


@pytest.mark.parametrize(
    ("states", "gives_up", "ends"),
    [
        ({"a": "failed"}, True, True),
        ({"a": "failed"}, False, False),
        ({"a": "up_for_retry", "b": "upstream_failed"}, True, False),
        ({"dms__outcome": "failed"}, True, False),
    ],
)
def test_a_failure_in_its_own_run(
    supervisor: Supervisor,
    earlier: dict[str, str | None],
    states: dict[str, str | None],
    gives_up: bool,
    ends: bool,
) -> None:
    async def story() -> None:
        async with waiting(supervisor, trigger(gives_up=gives_up)) as (task,):
            supervisor.states[THIS_RUN] = states
            if ends:
                assert await task == {"earlier_run": EARLIER_RUN}
            else:
                await rounds(supervisor)
                assert not task.done()

    play(story)


def test_a_question_without_an_answer_is_asked_again(
    supervisor: Supervisor, earlier: dict[str, str | None]
) -> None:
    async def story() -> None:
        async with waiting(supervisor, trigger()) as (task,):
            supervisor.silent_for = 3
            earlier["r"] = "success"
            assert await task == {"earlier_run": EARLIER_RUN}

    play(story)
    assert supervisor.silent_for == 0


def test_all_that_wait_in_one_flow_ask_together(
    supervisor: Supervisor, earlier: dict[str, str | None]
) -> None:
    runs = [f"run_{number}" for number in range(20)]
    supervisor.going.update(runs)
    supervisor.states.update({run: {"r": None} for run in runs})

    async def story() -> None:
        triggers = [trigger(run_id=run) for run in runs for _ in range(5)]
        async with waiting(supervisor, *triggers) as tasks:
            before = Counter(supervisor.questions)
            begin = asyncio.get_running_loop().time()
            await rounds(supervisor, 10)
            intervals = (asyncio.get_running_loop().time() - begin) / INTERVAL
            asked = Counter(supervisor.questions) - before
            assert asked["GetTaskStates"] <= intervals + 2
            assert asked["GetDRCount"] <= intervals + 2
            earlier["r"] = "success"
            assert len(await asyncio.gather(*tasks)) == 100

    play(story)


def test_runs_are_asked_for_in_parts(supervisor: Supervisor, earlier: dict[str, str | None]) -> None:
    runs = [f"run_{number}" for number in range(230)]
    supervisor.going.update(runs[:-1])

    async def story() -> None:
        states = RunStates("flow", 1000)
        states.watch(EARLIER_RUN, *runs)
        await states.ask()
        assert [run for run in runs if not states.is_going(run)] == runs[-1:]
        assert states.of_run(EARLIER_RUN) == earlier

    play(story)
    assert all(len(msg.run_ids) <= 100 for msg in supervisor.asked)


def test_who_comes_late_is_not_answered_from_before(
    supervisor: Supervisor, earlier: dict[str, str | None]
) -> None:
    supervisor.going.add("other")
    supervisor.states["other"] = {"r": "running"}

    async def story() -> None:
        async with waiting(supervisor, trigger()) as (first,):
            late = asyncio.create_task(event_of(trigger(earlier_run="other", run_id=THIS_RUN)))
            await rounds(supervisor)
            assert not late.done()
            supervisor.states["other"]["r"] = "failed"
            assert await late == {"earlier_run": "other"}
            assert not first.done()

    play(story)


def test_nothing_is_kept_of_a_flow_in_which_nobody_waits(
    supervisor: Supervisor, earlier: dict[str, str | None]
) -> None:
    async def story() -> None:
        async with waiting(supervisor, trigger(), trigger(["s"])):
            assert list(RunStates._of_flows) == ["flow"]
        assert RunStates._of_flows == {}

    play(story)
