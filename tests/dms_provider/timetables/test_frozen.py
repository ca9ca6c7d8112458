"""A frozen flow: its slots pass, and none of them runs when it is unfrozen."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event

from dms_provider.schedules import HoursOfDay, Schedule
from dms_provider.timetables.flow import SlotMissed
from tests.dms_provider.timetables.test_flow import Airflow, at


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Airflow:
    """A flow that runs at 1, 2, 3 and 4 o'clock; it has run at 1."""
    airflow = Airflow(
        Schedule(HoursOfDay((1, 2, 3, 4)), "UTC", start_late=timedelta(minutes=30)), monkeypatch
    )
    airflow.parse("2026-01-01T00:30")
    airflow.schedule_until("2026-01-01T01:10")
    assert airflow.ran == ["01T01:00"]
    return airflow


def wait_until(airflow: Airflow, now: str) -> None:
    """Let the time pass as a real Airflow does: the DAG is parsed, and so planned, every 5 minutes."""
    until = at(f"2026-01-01T{now}")
    while airflow.now < until:
        airflow.schedule_until((airflow.now + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M"))
        airflow.parse(airflow.now.strftime("%Y-%m-%dT%H:%M"))


def test_slots_of_a_frozen_flow_pass(airflow: Airflow) -> None:
    airflow.set("dms_frozen_flow", "")
    wait_until(airflow, "03:20")
    assert airflow.ran == ["01T01:00"]


@pytest.mark.parametrize("unfrozen", ["2026-01-01T03:20:00+00:00", "2026-01-01T04:20:00+01:00"])
def test_after_it_only_slots_from_then_on_run(airflow: Airflow, unfrozen: str) -> None:
    airflow.set("dms_frozen_flow", "{}")
    wait_until(airflow, "03:20")
    airflow.unset("dms_frozen_flow")
    airflow.set("dms_unfrozen_flow", unfrozen)
    wait_until(airflow, "03:55")
    assert airflow.ran == ["01T01:00"]
    wait_until(airflow, "04:05")
    assert airflow.ran == ["01T01:00", "01T04:00"]


def test_another_flow_is_not_frozen(airflow: Airflow) -> None:
    airflow.set("dms_frozen_flow_2", "")
    airflow.set("dms_unfrozen_flow", "hardly a time")
    wait_until(airflow, "02:05")
    assert airflow.ran == ["01T01:00", "01T02:00"]


def test_the_scheduler_says_why(airflow: Airflow) -> None:
    airflow.set("dms_frozen_flow", "")
    airflow.now = at("2026-01-01T02:00")
    with pytest.raises(SlotMissed) as caught:
        airflow.timetable.next_run_info_from_dag_model(dag_model=airflow.row)
    assert str(caught.value) == (
        "flow: the slot 2026-01-01 02:00:00+00:00 is not run; the flow is frozen (Airflow Variable"
        " dms_frozen_flow); planned next: 2026-01-01 03:00:00+00:00"
    )


def test_one_query_for_a_slot_that_is_due_and_none_before(airflow: Airflow) -> None:
    asked: list[str] = []
    event.listen(airflow.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    airflow.schedule_until("2026-01-01T01:59")
    assert asked == []
    airflow.schedule_until("2026-01-01T02:00")
    assert [statement.split(" ", 1)[0] for statement in asked] == ["SELECT"]
    assert airflow.ran == ["01T01:00", "01T02:00"]
