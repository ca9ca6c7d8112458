"""Which runs the scheduler notes for those that wait for them, in Airflow's real tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.models.dag import DagModel
from airflow.models.variable import Variable
from airflow.sdk import DAG, CronTriggerTimetable
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.session import create_session
from airflow.utils.types import DagRunType
from sqlalchemy import delete, func, select, update

from dms_provider.dependencies import NotedRuns, variable_key
from dms_provider.policies import noting
from dms_provider.schedules import Daily
from tests.dms_provider.policies.scheduler.faults import PASSING, Faults
from tests.dms_provider.policies.scheduler.stage import Stage

CHAIN = {"a": [], "b": ["a"]}
SCHEDULED = DagRunType.SCHEDULED
SLOT = datetime(2024, 3, 1, 18, 0, tzinfo=timezone.utc)
"""02:00 on 2 March in Shanghai, which is about 02:00 on 1 March."""
ABOUT_SLOT = "2024-03-01T02:00:00+08:00"
DAILY = {"day": {"at": "02:00"}}


def asking(stage: Stage, flow: str, name: str = "asking", **keys: Any) -> str:
    wait = {"type": "dependency_check", "flow": flow, **keys}
    return stage.flow(name, {"wait": wait, "work": ["wait"]}, schedule=DAILY, concurrency="ignore")


def scheduled(stage: Stage, flow: str, run_id: str, slot: datetime = SLOT, conf: Any = None) -> str:
    stage.trigger(flow, run_id, run_type=SCHEDULED, logical_date=slot, conf=conf)
    stage.set_run(flow, run_id, run_after=slot)
    return run_id


def noted(flow: str) -> NotedRuns | None:
    with create_session(scoped=False) as session:
        found = session.scalar(select(Variable).where(Variable.key == variable_key(flow)))
        return None if found is None else NotedRuns.from_text(str(found.val))


def runs(flow: str) -> Mapping[str, tuple[str, bool, bool]]:
    found = noted(flow)
    assert found is not None
    return {run_id: (run.business_time, run.is_manual, run.is_part) for run_id, run in found.runs.items()}


def test_runs_nobody_waits_for_are_not_noted(stage: Stage) -> None:
    flow = stage.flow("other", CHAIN)
    scheduled(stage, flow, "r")
    stage.start()
    with create_session(scoped=False) as session:
        assert (
            session.scalar(select(func.count()).select_from(Variable).where(Variable.key.contains(flow))) == 0
        )


def test_runs_of_the_window_and_those_that_start_later_are_noted(stage: Stage) -> None:
    other = stage.flow("other", CHAIN, schedule=DAILY, concurrency="skip")
    scheduled(stage, other, "slot")
    stage.start()
    at = {"business_time": "2024-03-01T09:00:00+08:00"}
    # "slot" is in their way: the first is skipped for it, a dry run never is
    stage.trigger(other, "skipped", conf={"dms": at})
    stage.trigger(other, "dry", conf={"dms": {**at, "dry_run": True}})
    stage.trigger(other, "refused", conf={"dms": {**at, "node": "nobody"}})
    stage.start()
    stage.end(other, "slot")
    stage.trigger(other, "by_hand", conf={"dms": at})
    stage.start()
    stage.end(other, "by_hand")
    scheduled(stage, other, "long_ago", SLOT - timedelta(days=40))
    stage.start()
    stage.end(other, "long_ago")

    flow = asking(stage, other)
    scheduled(stage, flow, "asks")
    stage.start()
    assert stage.run(flow, "asks").state == "running"
    found = noted(other)
    assert found is not None
    assert found.timezone == "Asia/Shanghai"
    assert found.schedule is not None
    assert isinstance(found.schedule.rule, Daily)
    expected = {
        "slot": (ABOUT_SLOT, False, False),
        "dry": ("2024-03-01T09:00:00+08:00", False, False),
        "by_hand": ("2024-03-01T09:00:00+08:00", True, False),
    }
    assert runs(other) == expected

    stage.trigger(other, "later", conf={"dms": {**at, "node": "b"}})
    stage.trigger(other, "in_form", conf={"dms_business_time": at["business_time"], "dms_dry_run": True})
    stage.start()
    expected["later"] = ("2024-03-01T09:00:00+08:00", True, True)
    expected["in_form"] = ("2024-03-01T09:00:00+08:00", False, False)
    assert runs(other) == expected
    stage.end(other, "later")
    stage.clear(other, "skipped")
    stage.start()
    assert runs(other) == {**expected, "skipped": ("2024-03-01T09:00:00+08:00", True, False)}
    assert noted(flow) is None


@pytest.mark.parametrize("own", [False, True])
def test_the_first_run_is_known(stage: Stage, own: bool) -> None:
    other = stage.flow("other", CHAIN, schedule=DAILY, concurrency="ignore")
    flow = asking(stage, other, "first", first_run="pass")
    if own:
        wait = {"type": "dependency_check", "flow": other, "first_run": "pass"}
        assert stage.flow("other", {"a": wait}, schedule=DAILY, concurrency="ignore") == other
    scheduled(stage, flow, "before")
    stage.start()
    found = noted(other)
    assert found is not None
    assert (found.first, found.first_regular) == (None, None)
    scheduled(stage, other, "january", SLOT - timedelta(days=50))
    stage.start()
    scheduled(stage, flow if not own else other, "asks", SLOT + timedelta(days=1))
    stage.start()
    found = noted(other)
    assert found is not None
    assert found.first_regular == "2024-01-11T02:00:00+08:00"
    scheduled(stage, other, "december", SLOT - timedelta(days=80))
    stage.start()
    scheduled(stage, flow if not own else other, "asks_again", SLOT + timedelta(days=2))
    stage.start()
    found = noted(other)
    assert found is not None
    assert found.first_regular == found.first == "2023-12-12T02:00:00+08:00"


def test_a_flow_that_is_not_there_yet(stage: Stage) -> None:
    other = stage.name("other")
    flow = asking(stage, other)
    scheduled(stage, flow, "asks")
    stage.start()
    found = noted(other)
    assert found is not None
    assert not found.exists
    stage.flow("other", CHAIN, schedule={**DAILY, "timezone": "Europe/Paris"})
    scheduled(stage, other, "slot", datetime(2024, 3, 1, 1, 0, tzinfo=timezone.utc))
    stage.start()
    found = noted(other)
    assert found is not None
    assert found.exists
    assert found.timezone == "Europe/Paris"
    assert runs(other) == {"slot": ("2024-02-29T02:00:00+01:00", False, False)}


def test_a_schedule_that_was_edited_is_known_to_the_next_that_asks(stage: Stage) -> None:
    other = stage.flow("other", CHAIN, schedule=DAILY)
    flow = asking(stage, other)
    for number, at in enumerate(("02:00", "03:00")):
        stage.flow("other", CHAIN, schedule={"day": {"at": at}})
        scheduled(stage, flow, f"asks{number}", SLOT + timedelta(days=number))
        stage.start()
        found = noted(other)
        assert found is not None
        assert found.schedule is not None
        assert found.schedule.summary.startswith(f"every day {at}")


def no_flow(stage: Stage) -> str:
    """Add a DAG that is no flow, ``plain``; return its id."""
    from airflow.providers.standard.operators.empty import EmptyOperator

    with DAG(
        stage.name("plain"),
        schedule=CronTriggerTimetable("0 2 * * *", timezone="Asia/Shanghai"),
        is_paused_upon_creation=False,
    ) as dag:
        EmptyOperator(task_id="task")
    dag.relative_fileloc = "plain.py"
    with create_session(scoped=False) as session:
        stage._write(LazyDeserializedDAG.from_dag(dag), session)
    return dag.dag_id


@pytest.mark.parametrize("is_known", [True, False])
def test_dags_that_are_no_flows(stage: Stage, is_known: bool) -> None:
    other = stage.name("plain")
    if not is_known:
        scheduled(stage, asking(stage, other, "early"), "asks")
        stage.start()
    no_flow(stage)
    flow = asking(stage, other)
    if is_known:
        scheduled(stage, other, "before")
    scheduled(stage, flow, "asks")
    stage.start()
    if not is_known:
        scheduled(stage, other, "before")
    scheduled(stage, other, "later", SLOT + timedelta(hours=3))
    stage.start()
    found = noted(other)
    assert found is not None
    assert not found.is_flow
    assert found.schedule is not None
    assert found.schedule.timezone == "Asia/Shanghai"
    assert runs(other) == {
        "before": (ABOUT_SLOT, False, False),
        "later": ("2024-03-01T05:00:00+08:00", False, False),
    }


def test_a_transaction_lost_while_a_run_of_another_dag_starts(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = no_flow(stage)
    scheduled(stage, asking(stage, plain), "asks")
    other = stage.flow("other", CHAIN)
    stage.start()
    stage.trigger(other, "r")
    stage.trigger(plain, "r")
    faults = Faults(monkeypatch, "note_run_of_other_dag", noting)
    faults.fail(PASSING["deadlock"], (1).__eq__)
    with faults.watching("r"):
        stage.start()
    assert faults.statements
    assert stage.run(plain, "r").state == "queued"
    stage.start()
    assert [stage.run(dag_id, "r").state for dag_id in (plain, other)] == ["running", "running"]
    assert runs(plain).keys() == {"r"}
    assert stage.said(other, "r")["kind"] == "try"


def test_runs_over_a_range_of_times_count_as_backfilled_ones(stage: Stage) -> None:
    other = stage.flow("other", CHAIN, schedule=DAILY, concurrency="ignore")
    at = {"business_time": ABOUT_SLOT}
    in_range = {**at, "time_range": True}
    for run_id, conf in (("by_hand", at), ("ranged", in_range), ("part", {**in_range, "node": "b"})):
        stage.trigger(other, run_id, conf={"dms": conf})
    stage.start()
    assert [stage.said(other, run)["kind"] for run in ("by_hand", "ranged", "part")] == [
        "point_in_time",
        "time_range",
        "node",
    ]
    scheduled(stage, asking(stage, other), "asks")
    stage.start()
    expected = {"by_hand": (ABOUT_SLOT, True, False), "ranged": (ABOUT_SLOT, False, False)}
    assert runs(other) == expected
    scheduled(stage, asking(stage, other, "of_node", node="b", first_run="pass"), "asks")
    stage.trigger(other, "again", conf={"dms": in_range})
    stage.start()
    expected |= {"part": (ABOUT_SLOT, False, True), "again": (ABOUT_SLOT, False, False)}
    assert runs(other) == expected
    found = noted(other)
    assert found is not None
    assert found.first_regular == ABOUT_SLOT


def test_of_a_long_window_only_what_decides_is_read(stage: Stage) -> None:
    hourly = {"hour": {"at": list(range(24))}}
    other = stage.flow("other", CHAIN, schedule=hourly, concurrency="ignore")
    for hour in range(-5, 22):
        scheduled(stage, other, f"at{hour:+}", SLOT + timedelta(hours=hour))
    for _ in range(2):
        stage.start()
    scheduled(stage, asking(stage, other, window="last_30_days"), "asks")
    stage.start()
    assert runs(other).keys() == {"at+21"}
    scheduled(stage, asking(stage, other, "all", window="last_4_hours", need="all"), "asks")
    stage.start()
    assert runs(other).keys() == {"at-3", "at-2", "at-1", "at+0", "at+21"}


def test_what_is_said_of_the_flow(stage: Stage) -> None:
    flow = asking(stage, stage.name("other"))
    other = stage.flow(
        "other",
        {"w": {"type": "dependency_check", "flow": flow}, "v": {"type": "dependency_check", "flow": "third"},
         "own": {"type": "dependency_check", "flow": stage.name("other")}},
    )  # fmt: skip
    expected = [(False, False), (True, False), (False, True)]
    for number, (paused, stale) in enumerate(expected):
        with create_session(scoped=False) as session:
            of_other = update(DagModel).where(DagModel.dag_id == other)
            session.execute(of_other.values(is_paused=paused, is_stale=stale))
        scheduled(stage, flow, f"asks{number}", SLOT + timedelta(days=number))
        stage.start()
        found = noted(other)
        assert found is not None
        assert (found.is_paused, found.is_gone) == (paused, stale)
        assert found.waits_for == tuple(sorted((flow, "third")))


@pytest.mark.parametrize("val", ["", "{}", "null", '{"format": 99}'])
def test_a_variable_that_somebody_changed_is_written_anew(stage: Stage, val: str) -> None:
    other = stage.flow("other", CHAIN, schedule=DAILY, concurrency="ignore")
    flow = asking(stage, other)
    for name in ("slot", "next"):
        scheduled(stage, other, name, SLOT + timedelta(hours=name == "next"))
        scheduled(stage, flow, f"asks_{name}", SLOT + timedelta(hours=name == "next"))
        stage.start()
        change = update(Variable).where(Variable.key == variable_key(other))
        with create_session(scoped=False) as session:
            session.execute(change.values(_val=val, is_encrypted=False))
    scheduled(stage, other, "last", SLOT + timedelta(hours=2))
    stage.start()
    assert runs(other).keys() == {"last"}
    with create_session(scoped=False) as session:
        session.execute(delete(Variable).where(Variable.key == variable_key(other)))
    scheduled(stage, flow, "asks_again", SLOT + timedelta(hours=2))
    stage.start()
    assert runs(other).keys() == {"slot", "next", "last"}


def test_what_nobody_can_be_waiting_for_any_more_is_forgotten(stage: Stage) -> None:
    other = stage.flow("other", CHAIN, schedule=DAILY, concurrency="ignore")
    flow = asking(stage, other)
    scheduled(stage, flow, "asks")
    scheduled(stage, other, "slot")
    stage.start()
    found = noted(other)
    assert found is not None
    # twice the 18 hours that a flow may go on
    assert found.keep == 36 * 3600
    stored = json.loads(found.to_text())
    stored["runs"]["slot"][-1] -= found.keep + 1
    with create_session(scoped=False) as session:
        change = update(Variable).where(Variable.key == variable_key(other))
        session.execute(change.values(_val=json.dumps(stored), is_encrypted=False))
    scheduled(stage, other, "next", SLOT + timedelta(days=1))
    stage.start()
    assert runs(other).keys() == {"next"}
    scheduled(stage, flow, "asks_again", SLOT + timedelta(hours=1))
    stage.start()
    assert runs(other).keys() == {"next", "slot"}


@pytest.mark.parametrize("who", ["other", "asking"])
def test_while_another_scheduler_notes_runs_a_start_waits(stage: Stage, who: str) -> None:
    other = stage.flow("other", CHAIN, schedule=DAILY, concurrency="ignore")
    flow = asking(stage, other)
    scheduled(stage, flow, "asks")
    stage.start()
    scheduled(stage, other, "slot")
    starts = other if who == "other" else asking(stage, other, "second", window="last_30_days")
    if who == "asking":
        stage.start()
        with create_session(scoped=False) as session:
            # so that it has something to write
            session.execute(
                update(Variable)
                .where(Variable.key == variable_key(other))
                .values(_val="", is_encrypted=False)
            )
        scheduled(stage, starts, "late")
    late = "slot" if who == "other" else "late"
    with create_session(scoped=False) as session:
        session.execute(
            select(Variable.id).where(Variable.key == variable_key(other)).with_for_update()
        ).one()
        stage.start()
        assert stage.run(starts, late).state == "queued"
        session.rollback()
    stage.start()
    assert stage.run(starts, late).state == "running"
    assert runs(other).keys() == {"slot"}
