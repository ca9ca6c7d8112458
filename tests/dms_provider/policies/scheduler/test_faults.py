"""Whatever fails when a run starts: the scheduler goes on, others run, and this one never runs undecided."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from sqlalchemy import text, update

from dev.services import Server
from dms_provider.policies import run_start
from tests.dms_provider.policies.scheduler.faults import KILLED, LASTING, PASSING, Faults
from tests.dms_provider.policies.scheduler.stage import Stage

NODES = {"a": [], "b": ["a"]}


def _statements(stage: Stage, faults: Faults, flow: str, run_id: str = "first") -> int:
    """Return how many statements the start of a run has."""
    faults.statements.clear()
    with faults.watching():
        stage.trigger(flow, run_id)
        stage.start()
        return len(faults.statements)


@pytest.mark.parametrize("name", sorted(PASSING))
def test_a_fault_that_passes_puts_the_decision_off(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    flow = stage.flow("victim", NODES, concurrency="skip", pools={stage.name("pool"): 2})
    other = stage.flow("other", NODES)
    faults = Faults(monkeypatch)
    _statements(stage, faults, flow)
    number = _statements(stage, faults, flow, "skipped")
    for at in range(1, number + 1):
        run_id = f"{name}{at}"
        stage.trigger(flow, run_id)
        stage.trigger(other, f"beside_{run_id}")
        faults.fail(PASSING[name], at.__eq__)
        with faults.watching(run_id):
            stage.start()
        assert stage.run(flow, run_id).state == "queued", at
        assert "kind" not in stage.said(flow, run_id)
        stage.start()
        assert stage.said(flow, run_id)["skipped_for"] == "first"
        assert stage.run(flow, run_id).state == "success"
        assert set(stage.states(flow, run_id).values()) == {"skipped"}
        assert stage.said(other, f"beside_{run_id}")["kind"] == "try"
        stage.end(other, f"beside_{run_id}")


@pytest.mark.parametrize("name", sorted(LASTING))
def test_a_fault_that_lasts_fails_the_nodes(stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    flow = stage.flow("victim", NODES, concurrency="skip")
    other = stage.flow("other", NODES, concurrency="ignore")
    faults = Faults(monkeypatch)
    number = _statements(stage, faults, flow)
    for at in range(1, number + 1):
        run_id = f"{name}{at}"
        stage.trigger(flow, run_id, conf={"dms": {"kind": "try", "business_time": "2024-01-01"}, "mine": 1})
        stage.trigger(other, f"beside_{run_id}")
        faults.fail(LASTING[name], at.__eq__)
        with faults.watching(run_id):
            stage.start()
        said = stage.said(flow, run_id)
        assert "the database answered with an error" in said["undecided"]
        assert said.keys() == {"undecided", "business_time"}
        stage.loop()
        stage.set_states(other, f"beside_{run_id}", a="success", b="success")
    stage.end(flow, "first")
    stage.play()
    for at in range(1, number + 1):
        assert stage.run(flow, f"{name}{at}").state == "failed"
        assert stage.run(other, f"beside_{name}{at}").state == "success"
        assert stage.states(flow, f"{name}{at}")["a"] == "failed"
    assert stage.played == [("first", "a")]


@pytest.mark.parametrize("fault", [KILLED, PASSING["deadlock"]])
def test_a_fault_that_always_comes_back_ends_undecided(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    flow = stage.flow("victim", NODES)
    faults = Faults(monkeypatch)
    faults.fail(fault, lambda number: True)
    stage.trigger(flow, "r")
    with faults.watching():
        for _ in range(run_start.TRIES + 1):
            stage.start()
    assert stage.said(flow, "r").keys() == {"undecided"}
    stage.play()
    assert stage.run(flow, "r").state == "failed"
    assert stage.played == []


def test_a_connection_killed_while_the_reason_is_written(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = stage.flow("victim", NODES)

    def fails(*_: Any) -> None:
        raise RuntimeError("provoked")

    monkeypatch.setattr(run_start, "_start", fails)
    faults = Faults(monkeypatch, "_leave_undecided")
    faults.fail(KILLED, lambda number: True)
    stage.trigger(flow, "r")
    with faults.watching():
        stage.start()
    assert stage.run(flow, "r").state == "queued"
    stage.start()
    assert "RuntimeError" in stage.said(flow, "r")["undecided"]


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), MemoryError(), AssertionError()])
def test_a_fault_of_the_provider(stage: Stage, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    flow = stage.flow("victim", NODES)

    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(run_start.tables, "other_runs", fails)
    stage.trigger(flow, "r")
    stage.play()
    assert type(error).__name__ in stage.said(flow, "r")["undecided"]
    assert (stage.run(flow, "r").state, stage.played) == ("failed", [])


@pytest.mark.parametrize("table", ["dag_run", "task_instance", "dag_run_note"])
def test_a_table_that_refuses_what_is_written(stage: Stage, table: str) -> None:
    flow = stage.flow("victim", NODES, concurrency="skip")
    other = stage.flow("other", NODES)
    stage.trigger(flow, "first")
    stage.play(until=["a"])
    condition = {
        "dag_run": "WHEN (NEW.conf -> 'dms' ? 'skipped_for')",
        "task_instance": "WHEN (NEW.state = 'skipped')",
        "dag_run_note": "",
    }[table]
    with create_session() as session:
        session.execute(text("CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                             " $$ BEGIN RAISE EXCEPTION 'refused'; END $$"))  # fmt: skip
        session.execute(text(f"CREATE TRIGGER refuses BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW"
                             f" {condition} EXECUTE FUNCTION refuse()"))  # fmt: skip
    try:
        stage.trigger(flow, "second")
        stage.trigger(other, "second")
        stage.start()
    finally:
        with create_session() as session:
            session.execute(text(f"DROP TRIGGER refuses ON {table}"))
    assert "the database answered with an error" in stage.said(flow, "second")["undecided"]
    stage.play((flow, "second"), (other, "second"))
    assert stage.run(flow, "second").state == "failed"
    assert stage.run(other, "second").state == "success"


def test_a_conf_that_cannot_be_written_keeps_the_run_queued(stage: Stage) -> None:
    flow = stage.flow("victim", NODES)
    stage.trigger(flow, "r")
    with create_session() as session:
        session.execute(text("CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                             " $$ BEGIN RAISE EXCEPTION 'refused'; END $$"))  # fmt: skip
        changes_conf = "WHEN (NEW.conf IS DISTINCT FROM OLD.conf)"
        session.execute(text("CREATE TRIGGER refuses BEFORE UPDATE ON dag_run FOR EACH ROW"
                             f" {changes_conf} EXECUTE FUNCTION refuse()"))  # fmt: skip
    try:
        for _ in range(3):
            stage.loop()
        assert stage.run(flow, "r").state == "queued"
    finally:
        with create_session() as session:
            session.execute(text("DROP TRIGGER refuses ON dag_run"))
    stage.play()
    assert stage.run(flow, "r").state == "success"


def test_the_lock_is_taken(stage: Stage, postgres_server: Server) -> None:
    flow = stage.flow("locked", NODES)
    other = stage.flow("other", NODES)
    for number in range(25):
        stage.trigger(flow, f"r{number}")
    stage.trigger(other, "r")
    with postgres_server.connect(dbname=stage.database) as connection:
        connection.execute("SELECT 1 FROM dag WHERE dag_id = %s FOR UPDATE", [flow])
        queued_at = stage.run(flow, "r0").queued_at
        for _ in range(3):
            stage.start()
        # the scheduler looks at 20 runs a loop: those that cannot start are not in the way of the others
        assert stage.run(other, "r").state == "running"
        assert stage.run(flow, "r0").state == "queued"
        assert stage.run(flow, "r0").queued_at == queued_at
        assert stage.run(flow, "r0").start_date is None
    for _ in range(2):
        stage.start()
    assert {stage.run(flow, f"r{number}").state for number in range(25)} == {"running", "success"}


def test_references_to_the_dag_are_not_in_the_way(stage: Stage, postgres_server: Server) -> None:
    flow = stage.flow("referred", NODES)
    stage.trigger(flow, "r")
    with postgres_server.connect(dbname=stage.database) as connection:
        connection.execute("SELECT 1 FROM dag WHERE dag_id = %s FOR KEY SHARE", [flow])
        stage.start()
        assert stage.run(flow, "r").state == "running"


def test_somebody_has_changed_the_conf_into_no_object(stage: Stage) -> None:
    flow = stage.flow("victim", NODES)
    for number, conf in enumerate(([1, 2], "dms", 5, [])):
        run_id = stage.trigger(flow, f"r{number}")
        with create_session() as session:
            session.execute(update(DagRun).where(DagRun.run_id == run_id).values(conf=conf))
        stage.start()
        if conf:
            assert "JSON object" in stage.said(flow, run_id)["refused"]
    stage.play()
    assert stage.played == []
