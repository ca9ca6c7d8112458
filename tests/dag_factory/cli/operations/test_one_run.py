"""``rerun``, ``restore``, ``set-success``, ``stop``: which nodes are touched, and when nothing is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.listeners import hookimpl
from airflow.listeners.listener import get_listener_manager
from sqlalchemy.exc import OperationalError

from dag_factory.cli.operations import one_run
from tests.dag_factory.cli.operations.conftest import Dms, Metadata

HELPERS = {"dms__hold", "dms__outcome"}
Ended = Callable[..., str]


@pytest.fixture
def ended(dms: Dms, metadata: Metadata) -> Ended:
    """Make a run whose condition was false and whose node ``report`` failed; give its id."""

    def make(flow: str = "daily", **decided: Any) -> str:
        outcome = dms("run", flow, "--business-time", "2023-01-01", "--output", "json")
        run_id = str(outcome.json["runs"][0]["run_id"])
        metadata.set_states(run_id, count="success", many="success", alert="skipped", report="failed")
        metadata.set_states(run_id, send="upstream_failed", dms__hold="success", dms__outcome="failed")
        metadata.skip(run_id, "many", ["alert"])
        metadata.skip(run_id, "dms__hold", ["send"])
        metadata.set_run(run_id, "failed", kind="point_in_time", earlier_run="first", **decided)
        return run_id

    return make


def cleared(metadata: Metadata, run_id: str) -> set[str]:
    return {task_id for task_id, state in metadata.states(run_id).items() if state is None}


def test_rerun_clears_all_and_keeps_what_was_decided(dms: Dms, metadata: Metadata, ended: Ended) -> None:
    run_id = ended()
    conf = metadata.runs()[0].conf
    outcome = dms("rerun", "daily", run_id, "--output", "json")
    assert outcome.status == 0
    assert outcome.json == {"flow": "daily", "run_id": run_id, "state": "queued"}
    assert cleared(metadata, run_id) == {"count", "many", "alert", "report", "send", *HELPERS}
    (run,) = metadata.runs()
    assert run.conf == conf
    assert conf["dms"]["business_time"] == "2023-01-01T00:00:00-05:00"
    assert conf["dms"]["earlier_run"] == "first"


def test_restore_clears_what_is_no_success_but_not_what_a_condition_skipped(
    dms: Dms, metadata: Metadata, ended: Ended
) -> None:
    run_id = ended()
    outcome = dms("restore", "daily", run_id, "--output", "json")
    assert outcome.json == {"flow": "daily", "run_id": run_id, "state": "queued"}
    assert cleared(metadata, run_id) == {"report", "send", *HELPERS}


def test_restore_clears_what_was_held_back(dms: Dms, metadata: Metadata, ended: Ended) -> None:
    run_id = ended()
    metadata.set_states(run_id, send="skipped")
    assert dms("restore", "daily", run_id).status == 0
    assert cleared(metadata, run_id) == {"report", "send", *HELPERS}


def test_restore_clears_what_stands_below_a_condition_that_runs_again(
    dms: Dms, metadata: Metadata, ended: Ended
) -> None:
    run_id = ended()
    metadata.set_states(run_id, many="failed")
    assert dms("restore", "daily", run_id).status == 0
    assert cleared(metadata, run_id) == {"many", "alert", "report", "send", *HELPERS}


@pytest.mark.parametrize(
    ("decided", "nodes"),
    [({"node": "report"}, {"report"}), ({"from_node": "report"}, {"report", "send"})],
)
def test_restore_of_a_partial_run_keeps_to_its_nodes(
    dms: Dms, metadata: Metadata, ended: Ended, decided: dict[str, str], nodes: set[str]
) -> None:
    run_id = ended(**decided)
    metadata.set_states(run_id, count="skipped", many="skipped", send="skipped")
    assert dms("restore", "daily", run_id).status == 0
    assert cleared(metadata, run_id) == nodes | HELPERS


def test_there_may_be_nothing_to_restore(dms: Dms, metadata: Metadata, ended: Ended) -> None:
    run_id = ended()
    metadata.set_states(run_id, report="success", send="success")
    outcome = dms("restore", "daily", run_id)
    assert outcome.status == 1
    assert "nothing to restore" in outcome.err


@pytest.mark.parametrize("operation", ["rerun", "restore"])
@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_run_that_is_going_is_not_cleared(
    dms: Dms, metadata: Metadata, ended: Ended, operation: str, state: str
) -> None:
    run_id = ended()
    metadata.set_run(run_id, state)
    outcome = dms(operation, "daily", run_id)
    assert outcome.status == 1
    assert f"run {run_id} is {state}" in outcome.err
    assert cleared(metadata, run_id) == set()


@pytest.mark.parametrize("operation", ["rerun", "restore"])
@pytest.mark.parametrize(
    ("concurrency", "other", "status"),
    [
        ("skip", {}, 1),
        ("skip", {"kind": "dry_run"}, 0),
        ("skip", {"refused": "no"}, 0),
        ("ignore", {}, 0),
        ("parallel_mode_1", {}, 0),
    ],
)
def test_under_skip_another_run_that_is_going_is_in_the_way(
    dms: Dms,
    metadata: Metadata,
    ended: Ended,
    operation: str,
    concurrency: str,
    other: dict[str, Any],
    status: int,
) -> None:
    metadata.add_flow("other", concurrency=concurrency)
    run_id = ended("other")
    going = str(dms("run", "other", "--output", "json").json["runs"][0]["run_id"])
    metadata.set_run(going, "running", **other)
    outcome = dms(operation, "other", run_id)
    assert outcome.status == status
    assert (cleared(metadata, run_id) == set()) == bool(status)
    assert (going in outcome.err) == bool(status)


@pytest.mark.parametrize(("code", "status"), [("40P01", 0), ("57P03", 1)])
def test_a_deadlock_with_the_scheduler_is_tried_again(
    dms: Dms, metadata: Metadata, ended: Ended, monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    class Refused(Exception):
        sqlstate = code

    refusals = iter([Refused("deadlock detected")] * 2)
    real = one_run.rerun

    def rerun(run: Any, session: Any) -> None:
        real(run, session)
        if (refusal := next(refusals, None)) is not None:
            raise OperationalError("COMMIT", {}, refusal)

    run_id = ended()

    monkeypatch.setattr(one_run, "rerun", rerun)
    outcome = dms("rerun", "daily", run_id)
    assert outcome.status == status
    assert bool(cleared(metadata, run_id)) == (status == 0)


def test_a_paused_flow_is_not_run_again(dms: Dms, metadata: Metadata, ended: Ended) -> None:
    run_id = ended()
    metadata.set_flow(is_paused=True)
    outcome = dms("rerun", "daily", run_id)
    assert outcome.status == 1
    assert "airflow dags unpause daily" in outcome.err
    assert cleared(metadata, run_id) == set()


class Told:
    """A listener that keeps what it was told."""

    def __init__(self) -> None:
        self.of: list[str] = []

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any, msg: str) -> None:
        self.of.append(f"{dag_run.dag.dag_id} failed")

    @hookimpl
    def on_dag_run_success(self, dag_run: Any, msg: str) -> None:
        self.of.append(f"{dag_run.dag.dag_id} success")

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        self.of.append(f"{task_instance.task_id} failed")
        raise RuntimeError("a listener that fails")


@pytest.fixture
def told() -> Any:
    listener = Told()
    manager = get_listener_manager()
    manager.add_listener(listener)
    yield listener
    manager.pm.unregister(listener)


def test_stop_ends_the_run_and_what_it_does(dms: Dms, metadata: Metadata, ended: Ended, told: Told) -> None:
    run_id = ended()
    metadata.set_states(run_id, report="running", send=None, dms__hold=None, dms__outcome=None)
    metadata.set_run(run_id, "running")
    outcome = dms("stop", "daily", run_id, "--output", "json")
    assert outcome.json == {"flow": "daily", "run_id": run_id, "state": "failed"}
    states = metadata.states(run_id)
    assert (states["count"], states["report"], states["send"]) == ("success", "failed", "skipped")
    assert told.of == ["report failed", "daily failed"]


def test_a_run_that_has_ended_is_not_stopped(dms: Dms, metadata: Metadata, ended: Ended) -> None:
    run_id = ended()
    outcome = dms("stop", "daily", run_id)
    assert outcome.status == 1
    assert "has ended: it is failed" in outcome.err


def test_set_success_is_for_the_whole_run(dms: Dms, metadata: Metadata, ended: Ended, told: Told) -> None:
    run_id = ended()
    outcome = dms("set-success", "daily", run_id, "--output", "json")
    assert outcome.json == {"flow": "daily", "run_id": run_id, "state": "success"}
    assert metadata.states(run_id)["report"] == "failed"
    assert told.of == ["daily success"]


@pytest.mark.parametrize(
    ("state", "decided"), [("running", {}), ("success", {}), ("success", {"skipped_for": "x"})]
)
def test_only_a_failed_run_is_set_to_success(
    dms: Dms, metadata: Metadata, ended: Ended, state: str, decided: dict[str, str]
) -> None:
    run_id = ended()
    metadata.set_run(run_id, state, **decided)
    outcome = dms("set-success", "daily", run_id)
    assert outcome.status == 1
    assert f"is {'skipped' if decided else state}; only a failed run" in outcome.err


@pytest.mark.parametrize("operation", ["rerun", "restore", "set-success", "stop"])
def test_an_unknown_run(dms: Dms, ended: Ended, operation: str) -> None:
    run_id = ended()
    outcome = dms(operation, "daily", run_id[:-3])
    assert (outcome.status, outcome.out) == (2, "")
    assert f"daily has no run {run_id[:-3]!r}; did you mean {run_id}?" in outcome.err
