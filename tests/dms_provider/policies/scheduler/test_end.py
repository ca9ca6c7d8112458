"""A run ends before its time: by its time-out, or by hand."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from airflow.api_fastapi.core_api.datamodels.dag_run import DagRunMutableStates
from airflow.api_fastapi.core_api.services.public.dag_run import patch_dag_run_state
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from sqlalchemy import event, select
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.orm import Session

from dms_provider.policies import run_end
from tests.dms_provider.policies.scheduler.faults import KILLED, LOST, PASSING, Faults
from tests.dms_provider.policies.scheduler.stage import Stage

NODES = {"a": [], "b": ["a"]}


def _row(stage: Stage, **keys: object) -> str:
    """Have three runs of a flow that skips, of which each waits for the one before."""
    flow = stage.flow("row", NODES, concurrency="skip", **keys)
    for run_id in ("first", "second", "third"):
        stage.trigger(flow, run_id)
        # as if each had run before: then it is not skipped
        stage.set_run(flow, run_id, clear_number=1)
        stage.start()
    assert [stage.said(flow, run).get("earlier_run") for run in ("first", "second", "third")] == [
        None,
        "first",
        "second",
    ]
    stage.play(until=["a"])
    return flow


def test_one_that_waited_timed_out(stage: Stage) -> None:
    flow = _row(stage, timeout="1h")
    stage.set_states(flow, "second", a="deferred")
    stage.set_run(flow, "second", start_date=datetime.now(timezone.utc) - timedelta(hours=2))
    stage.loop()
    assert stage.run(flow, "second").state == "failed"
    assert set(stage.states(flow, "second").values()) == {"skipped"}
    assert stage.said(flow, "third")["earlier_run"] == "first"
    assert stage.run(flow, "first").state == "running"
    assert [(sent.run_id, sent.is_failure_callback) for sent in stage.callbacks.sent] == [("second", True)]


def _mark(stage: Stage, flow: str, run_id: str, state: DagRunMutableStates) -> None:
    """Set the state of a run as somebody does in the UI."""
    with create_session(scoped=False) as session:
        run = session.scalars(select(DagRun).where(DagRun.dag_id == flow, DagRun.run_id == run_id)).one()
        patch_dag_run_state(dag=stage.dag(flow, session), dag_run=run, state=state, session=session)


@pytest.mark.parametrize("state", [DagRunMutableStates.FAILED, DagRunMutableStates.SUCCESS])
def test_one_that_waited_was_marked_by_hand(stage: Stage, state: DagRunMutableStates) -> None:
    flow = _row(stage)
    _mark(stage, flow, "second", state)
    assert stage.run(flow, "second").state == state.value
    assert stage.said(flow, "third")["earlier_run"] == "first"


def test_one_that_ended_in_its_turn(stage: Stage) -> None:
    flow = _row(stage)
    stage.end(flow, "first")
    stage.set_states(flow, "second", a="success", b="success")
    stage.play((flow, "second"))
    assert stage.run(flow, "second").state == "success"
    assert stage.said(flow, "third")["earlier_run"] == "second"


def test_a_restored_run_goes_after_the_one_that_went_on(stage: Stage) -> None:
    flow = _row(stage)
    stage.set_states(flow, "first", a="failed")
    stage.play((flow, "first"))
    assert stage.run(flow, "first").state == "failed"
    stage.set_columns(flow, "second", "b", state="deferred", next_method="begin", try_number=1)
    stage.clear(flow, "first", only_failed=True)
    stage.start()
    # a of the second run works: the first run goes after the last of the row, and nobody waits for it
    assert stage.said(flow, "first")["earlier_run"] == "third"
    assert "earlier_run" not in stage.said(flow, "second")
    assert stage.states(flow, "second") == {"a": "running", "b": "scheduled"}


@pytest.mark.parametrize(
    ("a", "marked"), [("success", DagRunMutableStates.FAILED), ("failed", DagRunMutableStates.SUCCESS)]
)
def test_one_marked_in_a_deadlock_with_the_scheduler(
    stage: Stage, a: str, marked: DagRunMutableStates
) -> None:
    """The scheduler gives way, then goes on with the runs as it has read them before."""
    from airflow import settings

    flow = stage.flow("marked", NODES)
    stage.trigger(flow, "r")
    stage.play(until=["a"])
    stage.set_states(flow, "r", a=a)
    victims: list[Session] = []

    def fail(connection: object, cursor: object, statement: str, parameters: object, *_: object) -> object:
        if not victims and statement.startswith("UPDATE task_instance"):
            return PASSING["deadlock"], ()
        return statement, parameters

    def mark(session: Session) -> None:
        if not victims:
            victims.append(session)
            _mark(stage, flow, "r", marked)

    event.listen(settings.engine, "before_cursor_execute", fail, retval=True)
    event.listen(Session, "after_rollback", mark)
    try:
        stage.loop()
    finally:
        event.remove(settings.engine, "before_cursor_execute", fail)
        event.remove(Session, "after_rollback", mark)
    assert victims
    assert stage.run(flow, "r").state == marked.value
    ended = stage.run(flow, "r").end_date
    stage.play()
    assert stage.run(flow, "r").state == marked.value
    assert stage.run(flow, "r").end_date == ended


FLUSH, IN_SAVEPOINT = 1, 3
"""Which statement of the end of a run that has waited for another."""


def test_a_transaction_lost_while_the_scheduler_ends_a_run(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = _row(stage)
    other = stage.flow("other", {"a": []})
    stage.trigger(other, "r")
    stage.play((other, "r"), until=["a"])
    stage.end(flow, "first")
    stage.set_states(flow, "second", a="success", b="success")
    stage.set_states(other, "r", a="success")
    faults = Faults(monkeypatch, "end_run", run_end)
    stage.loop()
    for fault, at in ((PASSING["deadlock"], FLUSH), (KILLED, IN_SAVEPOINT)):
        faults.fail(fault, at.__eq__)
        with faults.watching("second"):
            stage.loop()
        assert len(faults.statements) >= at
        assert stage.run(flow, "second").state == "running"
    stage.play((flow, "second"), (other, "r"))
    assert stage.run(flow, "second").state == "success"
    assert stage.run(other, "r").state == "success"


def test_a_transaction_lost_while_somebody_marks_a_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = _row(stage)
    faults = Faults(monkeypatch, "end_run", run_end)
    faults.fail(LOST, IN_SAVEPOINT.__eq__)
    with faults.watching("second"), pytest.raises(PendingRollbackError):
        _mark(stage, flow, "second", DagRunMutableStates.FAILED)
    assert stage.run(flow, "second").state == "running"
    assert stage.said(flow, "third")["earlier_run"] == "second"
