"""What is decided when a run starts, and what it costs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.utils.types import DagRunType

from tests.dms_provider.policies.scheduler.faults import Faults
from tests.dms_provider.policies.scheduler.stage import Stage

CHAIN = {"a": [], "b": ["a"], "other": []}
NOON = "2024-01-01T12:00:00+08:00"


def test_a_run_alone_succeeds(stage: Stage) -> None:
    flow = stage.flow("alone", CHAIN)
    stage.trigger(flow, "r")
    stage.play()
    assert stage.run(flow, "r").state == "success"
    assert stage.said(flow, "r")["kind"] == "try"
    assert sorted(stage.played) == [("r", "a"), ("r", "b"), ("r", "other")]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ([1], "expected an object, not a list"),
        ("text", "expected an object, not text"),
        ({"what": 1}, "unknown key 'what'"),
        ({"dry_run": "yes"}, "dry_run: expected true or false"),
        ({"node": "missing"}, "has no node 'missing'"),
        ({"node": "dms__outcome"}, "has no node 'dms__outcome'"),
        ({"node": "a", "from_node": "b"}, "give one of the two"),
        ({"business_time": "soon"}, "'soon' is no time"),
        ({"business_time": "0001-01-01T00:00:00+14:00"}, "business"),
        ({"outputs": {"x" * 5000: [1]}}, "expected text or a whole number"),
        ({"node": "n\n\u2028" * 10_000}, "has no node"),
        ({"outputs": {"deep": [[[[[[[[]]]]]]]]}}, "not a list"),
    ],
)
def test_conf_that_cannot_be_understood_refuses_the_run(stage: Stage, asked: Any, words: str) -> None:
    flow = stage.flow("refused", CHAIN)
    stage.trigger(flow, "r", conf={"dms": asked, "mine": 1})
    stage.start()
    assert words in stage.said(flow, "r")["refused"]
    assert (stage.run(flow, "r").conf or {})["mine"] == 1
    assert set(stage.states(flow, "r").values()) == {"upstream_failed"}
    # nobody waits for it, nor is skipped for it
    stage.trigger(flow, "next")
    stage.start()
    assert "skipped_for" not in stage.said(flow, "next")


@pytest.mark.parametrize("conf", [{"dms": {"dry_run": True}}, {"dms_dry_run": True, "dms_node": None}])
def test_a_dry_run_is_in_nobodys_way_however_it_was_asked_for(stage: Stage, conf: dict[str, Any]) -> None:
    flow = stage.flow("dry", CHAIN, concurrency="skip")
    stage.trigger(flow, "dry", conf=conf)
    stage.start()
    assert stage.said(flow, "dry")["kind"] == "dry_run"
    stage.trigger(flow, "next")
    stage.start()
    assert stage.said(flow, "next").keys() == {"kind", "business_time"}


def test_a_note_that_somebody_wrote_stays(stage: Stage) -> None:
    flow = stage.flow("noted", CHAIN)
    stage.trigger(flow, "r", conf={"dms": {"node": "missing"}})
    stage.write_note(flow, "r", "by me " + "x" * 994)
    stage.start()
    note = stage.run(flow, "r").note or ""
    assert len(note) <= 1000
    assert note.startswith("by me")
    assert note.endswith("has no node 'missing'")


@pytest.mark.parametrize("concurrency", ["skip", "ignore", "parallel_mode_1", "parallel_mode_2"])
def test_what_somebody_copied_decides_nothing(stage: Stage, concurrency: str) -> None:
    flow = stage.flow("copied", CHAIN, concurrency=concurrency)
    copied = {"kind": "dry_run", "earlier_run": "r", "waits": "whole_run", "skipped_for": "x", "refused": "x"}
    stage.trigger(flow, "r", conf={"dms": {**copied, "undecided": "x", "outputs_from": {"a": "x"}}})
    stage.start()
    assert stage.said(flow, "r").keys() == {"kind", "business_time"}


@pytest.mark.parametrize("change", ["unknown", "value", "gone"])
def test_a_flow_of_another_version_of_the_provider(stage: Stage, change: str) -> None:
    flow = stage.flow("older", CHAIN)

    def older(data: dict[str, Any]) -> None:
        (outcome,) = (t["__var"] for t in data["dag"]["tasks"] if t["__var"]["task_id"] == "dms__outcome")
        if change == "gone":
            del outcome["policies"]
        else:
            written = outcome["policies"]
            written.get("__var", written)["later" if change == "unknown" else "concurrency"] = "other"

    stage.rewrite(flow, older)
    stage.trigger(flow, "r")
    stage.play()
    assert "another version" in stage.said(flow, "r")["refused"]
    assert (stage.run(flow, "r").state, stage.played) == ("failed", [])


def test_a_run_whose_logical_date_lies_ahead_waits_for_it(stage: Stage) -> None:
    flow = stage.flow("ahead", CHAIN, concurrency="skip")
    stage.trigger(flow, "r", logical_date=datetime.now(timezone.utc) + timedelta(hours=1))
    stage.start()
    assert stage.run(flow, "r").state == "queued"
    stage.trigger(flow, "now")
    stage.start()
    assert stage.said(flow, "now").keys() == {"kind", "business_time"}


def test_a_dry_run_is_in_nobodys_way(stage: Stage) -> None:
    flow = stage.flow("dry", CHAIN, concurrency="skip")
    stage.trigger(flow, "dry", conf={"dms": {"dry_run": True}})
    stage.start()
    stage.trigger(flow, "r")
    stage.start()
    stage.trigger(flow, "dry_again", conf={"dms": {"dry_run": True}})
    stage.start()
    assert {run: set(stage.said(flow, run)) for run in ("dry", "r", "dry_again")} == {
        "dry": {"dry_run", "kind", "business_time"},
        "r": {"kind", "business_time"},
        "dry_again": {"dry_run", "kind", "business_time"},
    }


def test_outputs_come_from_the_newest_success_of_the_same_business_time(stage: Stage) -> None:
    flow = stage.flow("outputs", CHAIN, concurrency="ignore", error_handling="complete_unrelated_tasks")
    stage.trigger(flow, "old", conf={"dms": {"business_time": NOON}})
    stage.play()
    stage.trigger(flow, "new", conf={"dms": {"business_time": "2024-01-01T04:00:00Z"}})
    stage.play(fail=["other"])
    stage.trigger(flow, "dry", conf={"dms": {"business_time": NOON, "dry_run": True}})
    stage.trigger(flow, "another_day", conf={"dms": {"business_time": "2024-01-02"}})
    stage.play()
    stage.trigger(flow, "r", conf={"dms": {"business_time": NOON, "node": "b"}})
    stage.start()
    assert stage.said(flow, "r")["outputs_from"] == {"a": "new", "other": "old"}
    assert stage.states(flow, "r") == {"a": "skipped", "b": None, "other": "skipped"}


def test_a_run_that_backfill_processes_again(stage: Stage) -> None:
    flow = stage.flow("backfill", CHAIN, concurrency="parallel_mode_1")
    stage.trigger(flow, "r", run_type=DagRunType.SCHEDULED, conf={"dms": {"business_time": NOON}})
    stage.play()
    stage.clear(flow, "r")
    # as Airflow does: another kind of run, and the conf of the backfill
    stage.set_run(flow, "r", run_type="backfill", conf={"dms": {"earlier_run": "r", "kind": "try"}})
    stage.start()
    assert stage.said(flow, "r").keys() == {"kind", "business_time"}
    assert stage.said(flow, "r")["kind"] == "time_range"


@pytest.mark.parametrize("concurrency", ["skip", "ignore", "parallel_mode_1", "parallel_mode_2"])
def test_costs(stage: Stage, monkeypatch: pytest.MonkeyPatch, concurrency: str) -> None:
    flow = stage.flow("costs", CHAIN, concurrency=concurrency)
    faults = Faults(monkeypatch)
    for number in range(2):
        stage.trigger(flow, f"r{number}", conf={"dms": {"dry_run": concurrency == "skip"}})
        with faults.watching():
            stage.start()
        assert len(faults.statements) <= 5, faults.statements
