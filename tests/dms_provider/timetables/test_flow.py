"""The timetable as Airflow asks it: at each parse, after each run, before each run, and for a backfill."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast

import pendulum
import pytest
from airflow.models.dag import DagModel
from airflow.models.variable import Variable
from airflow.sdk import DAG
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from sqlalchemy import create_engine, delete
from sqlalchemy.orm import Session

from dms_provider.schedules import Cron, Daily, HoursOfDay, Monthly, Once, Rule, Schedule
from dms_provider.timetables import flow
from dms_provider.timetables.flow import FlowTimetable, SlotMissed

UTC = timezone.utc
NO_CATCHUP = TimeRestriction(None, None, False)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def exact(moment: datetime) -> DataInterval:
    return DataInterval.exact(pendulum.instance(moment))


class Airflow:
    """What scheduler and dag-processor do with one DAG's timetable and its row in the table ``dag``."""

    def __init__(self, schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = at("2026-01-01T00:00")
        monkeypatch.setattr(flow, "_now", lambda: self.now)
        self.runs: list[datetime] = []
        self.missed = 0
        self.row = DagModel(dag_id="flow")
        self.engine = create_engine("sqlite://")
        Variable.metadata.tables["variable"].create(self.engine)
        self.session = Session(self.engine)
        self.session.add(self.row)
        self.publish(schedule)

    def publish(self, schedule: Schedule) -> None:
        """Store a schedule as its serialized DAG."""
        self.stored = json.dumps(FlowTimetable(schedule).serialize())

    @property
    def timetable(self) -> FlowTimetable:
        return FlowTimetable.deserialize(json.loads(self.stored))

    def parse(self, now: str) -> None:
        self.now = at(now)
        self._plan(self.timetable, max(self.runs, default=None))

    def _plan(self, timetable: FlowTimetable, last: datetime | None) -> None:
        interval = exact(last) if last is not None else None
        info = timetable.next_dagrun_info_v2(
            last_dagrun_info=DagRunInfo(interval.end, interval) if interval else None, restriction=NO_CATCHUP
        )
        self.row.next_dagrun = info.logical_date if info else None
        self.row.next_dagrun_data_interval = info.data_interval if info else None
        self.row.next_dagrun_create_after = info.run_after if info else None

    def set(self, key: str, value: str) -> None:
        """Make an Airflow Variable, in a transaction of its own."""
        with Session(self.engine) as session, session.begin():
            session.add(Variable(key, value))

    def unset(self, key: str) -> None:
        with Session(self.engine) as session, session.begin():
            session.execute(delete(Variable).where(Variable.key == key))

    def schedule_until(self, now: str, every: timedelta = timedelta(seconds=10)) -> None:
        """Run the scheduler's loop from the present time to a later one."""
        until = at(now)
        while True:
            self._loop()
            if self.now >= until:
                return
            self.now = min(self.now + every, until)

    def _loop(self) -> None:
        timetable = self.timetable
        planned = self.row.next_dagrun_create_after
        if planned is None or planned > self.now:
            return
        assert self.row.next_dagrun not in self.runs
        try:
            info = timetable.next_run_info_from_dag_model(dag_model=self.row)
        except SlotMissed:
            self.missed += 1
            return
        assert info is not None
        self.runs.append(info.run_after)
        self._plan(timetable, info.run_after)

    @property
    def ran(self) -> list[str]:
        return [run.strftime("%dT%H:%M") for run in self.runs]


Start = Callable[..., Airflow]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Start:
    def begin(rule: Rule, **kwargs: Any) -> Airflow:
        return Airflow(Schedule(rule, "UTC", **kwargs), monkeypatch)

    return begin


def test_each_slot_runs_once_through_parses_and_restarts(start: Start) -> None:
    airflow = start(HoursOfDay((1, 2, 3)))
    airflow.parse("2026-01-01T00:30")
    for moment in ("01:00:05", "01:20", "01:59:59", "02:00", "02:00:30", "03:30"):
        airflow.schedule_until(f"2026-01-01T{moment}")
        airflow.parse(f"2026-01-01T{moment}")
        airflow.parse(f"2026-01-01T{moment}")
    airflow.schedule_until("2026-01-02T01:00", every=timedelta(minutes=5))

    assert airflow.ran == ["01T01:00", "01T02:00", "01T03:00", "02T01:00"]
    assert airflow.missed == 0


def test_a_minutely_schedule_does_not_drift(start: Start) -> None:
    airflow = start(Cron("* * * * *"))
    airflow.parse("2026-01-01T00:00:30")
    airflow.schedule_until("2026-01-01T00:10:30", every=timedelta(seconds=7))

    assert airflow.ran == [f"01T00:{minute:02}" for minute in range(11)]


@pytest.mark.parametrize("parsed_first", [True, False])
@pytest.mark.parametrize(
    ("back", "expected"),
    [
        ("02T02:59", ["01T02:00", "02T02:00", "03T02:00"]),
        ("02T03:00", ["01T02:00", "02T02:00", "03T02:00"]),
        ("02T03:01", ["01T02:00", "03T02:00"]),
        ("03T01:00", ["01T02:00", "03T02:00"]),
        ("03T02:30", ["01T02:00", "03T02:00"]),
    ],
)
def test_a_slot_missed_while_airflow_was_down(
    start: Start, back: str, expected: list[str], parsed_first: bool
) -> None:
    airflow = start(Daily(time(2, 0)))
    airflow.parse("2026-01-01T01:00")
    airflow.schedule_until("2026-01-01T02:00")
    airflow.now = at(f"2026-01-{back}")
    if parsed_first:
        airflow.parse(f"2026-01-{back}")
    airflow.schedule_until("2026-01-03T02:40", every=timedelta(minutes=1))

    assert airflow.ran == expected


def test_of_several_missed_slots_the_newest_runs(start: Start) -> None:
    airflow = start(Cron("*/10 * * * *"))
    airflow.parse("2026-01-01T00:00")
    airflow.schedule_until("2026-01-01T00:05")
    airflow.now = at("2026-01-01T00:45")
    airflow.schedule_until("2026-01-01T00:50")

    assert airflow.ran == ["01T00:00", "01T00:40", "01T00:50"]
    assert airflow.missed == 1


def test_start_late_of_the_schedule_counts(start: Start) -> None:
    airflow = start(Daily(time(2, 0)), start_late=timedelta(minutes=5))
    airflow.parse("2026-01-01T02:05")
    airflow.schedule_until("2026-01-01T02:05")
    airflow.parse("2026-01-02T02:05:01")
    airflow.schedule_until("2026-01-03T02:00", every=timedelta(minutes=1))

    assert airflow.ran == ["01T02:00", "03T02:00"]


def test_unpausing_runs_no_old_slot(start: Start) -> None:
    airflow = start(HoursOfDay(tuple(range(24))), start_late=timedelta(minutes=10))
    for hour in range(5):
        airflow.parse(f"2026-01-01T0{hour}:30")
    airflow.schedule_until("2026-01-01T05:00", every=timedelta(minutes=1))

    assert airflow.ran == ["01T05:00"]


def test_a_new_schedule_counts_from_the_next_parse(start: Start) -> None:
    airflow = start(Daily(time(2, 0)))
    airflow.parse("2026-01-01T01:00")
    airflow.schedule_until("2026-01-01T02:10")
    airflow.publish(Schedule(Daily(time(1, 30)), "UTC"))
    airflow.parse("2026-01-01T02:10")
    airflow.schedule_until("2026-01-01T02:20")
    assert airflow.ran == ["01T02:00"]

    airflow.publish(Schedule(Daily(time(2, 15)), "UTC"))
    airflow.parse("2026-01-01T02:20")
    airflow.schedule_until("2026-01-02T02:15", every=timedelta(minutes=1))
    assert airflow.ran == ["01T02:00", "01T02:15", "02T02:15"]


def test_a_schedule_that_was_turned_off_runs_no_planned_slot(start: Start) -> None:
    airflow = start(Daily(time(2, 0)))
    airflow.parse("2026-01-01T01:00")
    airflow.publish(Schedule(Daily(time(2, 0)), "UTC", enabled=False))
    airflow.schedule_until("2026-01-01T02:10")
    airflow.parse("2026-01-01T02:10")
    airflow.schedule_until("2026-01-03T02:10", every=timedelta(minutes=1))

    assert airflow.ran == []
    assert airflow.row.next_dagrun_create_after is None


@pytest.mark.parametrize(
    ("parsed", "expected"),
    [
        ("2026-01-01T01:59", 1),
        ("2026-01-01T02:00:01", 1),
        ("2026-01-01T03:00", 1),
        ("2026-01-01T03:00:01", 0),
    ],
)
def test_once(start: Start, parsed: str, expected: int) -> None:
    airflow = start(Once(datetime(2026, 1, 1, 2)))
    airflow.parse(parsed)
    airflow.parse(parsed)
    airflow.schedule_until("2026-01-01T04:00", every=timedelta(minutes=1))
    airflow.parse("2026-01-01T04:00")
    airflow.schedule_until("2026-01-03T04:00", every=timedelta(minutes=10))

    assert len(airflow.ran) == expected


def test_the_clock_going_back_repeats_no_slot(start: Start) -> None:
    airflow = start(Daily(time(2, 0)))
    airflow.parse("2026-01-01T01:00")
    airflow.schedule_until("2026-01-01T02:00")
    airflow.parse("2026-01-01T01:30")
    airflow.schedule_until("2026-01-02T02:00", every=timedelta(minutes=1))

    assert airflow.ran == ["01T02:00", "02T02:00"]


def test_a_slot_in_the_hour_that_comes_twice_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow = Airflow(Schedule(Daily(time(2, 30)), "Europe/Berlin"), monkeypatch)
    airflow.parse("2026-10-25T00:00")
    airflow.schedule_until("2026-10-26T02:00", every=timedelta(minutes=1))

    assert airflow.ran == ["25T00:30", "26T01:30"]


def test_after_the_last_effective_day_nothing_is_planned(start: Start) -> None:
    airflow = start(Daily(time(2, 0)), effective_to=date(2026, 1, 2))
    airflow.parse("2026-01-01T01:00")
    airflow.schedule_until("2026-01-05T00:00", every=timedelta(minutes=1))

    assert airflow.ran == ["01T02:00", "02T02:00"]
    assert airflow.row.next_dagrun is None


def test_a_missed_slot_is_explained(start: Start) -> None:
    airflow = start(Daily(time(2, 0)))
    airflow.parse("2026-01-01T01:00")
    airflow.now = at("2026-01-01T05:00")

    with pytest.raises(SlotMissed) as caught:
        airflow.timetable.next_run_info_from_dag_model(dag_model=airflow.row)

    assert str(caught.value) == (
        "flow: the slot 2026-01-01 02:00:00+00:00 is not run; it was missed by 3:00:00, "
        "start_late is 1:00:00, and the newest slot is 2026-01-01 02:00:00+00:00; "
        "planned next: 2026-01-02 02:00:00+00:00"
    )


def test_a_copy_of_the_plan_is_shown_as_it_would_be_planned_now(start: Start) -> None:
    airflow = start(Daily(time(2, 0)))
    airflow.parse("2026-01-01T01:00")
    copy = DagModel(dag_id="flow")
    copy.next_dagrun_data_interval = exact(at("2026-01-01T02:00"))
    copy.next_dagrun_create_after = at("2026-01-01T02:00")
    airflow.now = at("2026-01-01T05:00")

    info = airflow.timetable.next_run_info_from_dag_model(dag_model=copy)

    assert info == DagRunInfo.exact(pendulum.instance(at("2026-01-02T02:00")))
    assert copy.next_dagrun_create_after == at("2026-01-01T02:00")


def backfilled(schedule: Schedule, first: str, last: str) -> list[str]:
    """Walk the slots as ``airflow backfill create`` does."""
    dag = cast("SerializedDAG", SimpleNamespace(timetable=FlowTimetable(schedule), dag_id="flow"))
    infos = list(SerializedDAG.iter_dagrun_infos_between(dag, at(first), at(last)))
    for info in infos:
        assert info.data_interval == DataInterval(info.run_after, info.run_after)
        assert info.logical_date == info.run_after
    return [info.run_after.strftime("%Y-%m-%dT%H:%M") for info in infos]


@pytest.mark.parametrize("enabled", [True, False])
def test_a_backfill_includes_both_ends(enabled: bool) -> None:
    schedule = Schedule(Daily(time(2, 0)), "UTC", enabled=enabled)

    assert backfilled(schedule, "2020-01-01T02:00", "2020-01-03T02:00") == [
        "2020-01-01T02:00",
        "2020-01-02T02:00",
        "2020-01-03T02:00",
    ]
    assert backfilled(schedule, "2020-01-01T02:01", "2020-01-03T01:59") == ["2020-01-02T02:00"]
    assert backfilled(schedule, "2020-01-01T02:01", "2020-01-01T02:02") == []


def test_a_backfill_stays_within_the_effective_days() -> None:
    schedule = Schedule(
        Monthly(("last",), time(23, 0)), effective_from=date(2024, 2, 1), effective_to=date(2024, 4, 1)
    )

    assert backfilled(schedule, "2023-01-01T00:00", "2025-01-01T00:00") == [
        "2024-02-29T15:00",
        "2024-03-31T15:00",
    ]


def test_restrictions_of_a_dag_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "_now", lambda: at("2026-01-01T02:30"))
    timetable = FlowTimetable(Schedule(Daily(time(2, 0)), "UTC"))

    def planned(earliest: str | None, latest: str | None, *, last: str | None = None) -> datetime | None:
        restriction = TimeRestriction(
            pendulum.instance(at(earliest)) if earliest else None,
            pendulum.instance(at(latest)) if latest else None,
            False,
        )
        info = timetable.next_dagrun_info(
            last_automated_data_interval=exact(at(last)) if last else None, restriction=restriction
        )
        return info and info.run_after

    assert planned(None, None) == at("2026-01-01T02:00")
    assert planned("2026-01-01T02:00", None) == at("2026-01-01T02:00")
    assert planned("2026-01-01T02:01", None) == at("2026-01-02T02:00")
    assert planned("2026-03-01T02:00", None) == at("2026-03-01T02:00")
    assert planned(None, "2026-01-01T02:00") == at("2026-01-01T02:00")
    assert planned(None, "2026-01-02T01:00", last="2026-01-01T02:00") is None


def test_without_bounds_a_walk_goes_on_from_the_last_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "_now", lambda: at("2026-01-01T02:30"))
    timetable = FlowTimetable(Schedule(Daily(time(2, 0)), "UTC"))
    walk = TimeRestriction(None, None, True)

    last = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=walk)
    assert last == DagRunInfo.exact(pendulum.instance(at("2026-01-01T02:00")))
    later = timetable.next_dagrun_info(
        last_automated_data_interval=exact(at("2026-05-01T02:00")), restriction=walk
    )
    assert later == DagRunInfo.exact(pendulum.instance(at("2026-05-02T02:00")))


def test_what_airflow_shows() -> None:
    timetable = FlowTimetable(Schedule(Daily(time(2, 55)), effective_to=date(2026, 12, 31)))

    assert timetable.summary == "every day 02:55 (Asia/Shanghai)"
    assert timetable.description == "every day 02:55 (Asia/Shanghai) to 2026-12-31"
    assert timetable.periodic
    assert timetable.can_be_scheduled
    assert timetable.active_runs_limit is None
    assert not FlowTimetable(Schedule(Daily(time(2, 55)), enabled=False)).can_be_scheduled
    moment = pendulum.datetime(2026, 1, 1)
    assert timetable.infer_manual_data_interval(run_after=moment) == DataInterval.exact(moment)


def test_serialization_is_small_and_the_same_each_time() -> None:
    schedule = Schedule(Daily(time(2, 55)))
    timetable = FlowTimetable(schedule)

    assert json.dumps(timetable.serialize()) == (
        '{"day": {"at": "02:55:00"}, "timezone": "Asia/Shanghai", "start_late": 3600.0}'
    )
    assert FlowTimetable.deserialize(timetable.serialize()) == timetable
    assert hash(FlowTimetable(schedule)) == hash(timetable)
    assert timetable != FlowTimetable(Schedule(Daily(time(2, 56))))


def test_a_dag_takes_it_as_its_schedule() -> None:
    timetable = FlowTimetable(Schedule(Daily(time(2, 55))))

    assert DAG("flow", schedule=timetable, catchup=False).timetable is timetable
