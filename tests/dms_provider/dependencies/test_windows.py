"""Windows worked out by hand, and against a walk over every quarter of an hour."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dms_provider.dependencies import Dependency, NotedRuns, TooManyTimes, looked_for, span_of
from dms_provider.dependencies.times import latest_slot, slots_in
from dms_provider.schedules import Daily, Schedule, Weekly

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CASES: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("windows.yaml").read_text(encoding="utf-8")
)


def read(text: str) -> datetime:
    return datetime.fromisoformat(text)


def in_numbers(other: dict[str, Any]) -> dict[str, Any]:
    """Return a schedule with its weekdays as numbers."""
    if "week" not in other:
        return other
    return {**other, "week": {**other["week"], "days": [DAYS.index(day) for day in other["week"]["days"]]}}


def asked(**more: Any) -> Dependency:
    given: dict[str, Any] = {
        "flow": "other",
        "node": None,
        "window": "same_day",
        "need": "all",
        "first_run": "wait",
        "on_failed": "wait",
        "timezone": "Asia/Shanghai",
        "business_time": "2026-11-20T02:00:00",
        "own_run": None,
        "is_manual": False,
        **more,
    }
    return Dependency(**given)


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_worked_out_by_hand(case: dict[str, Any]) -> None:
    zone = case.get("zone", "Asia/Shanghai")
    schedule = Schedule.from_json({"timezone": zone, "start_late": 0, **in_numbers(case["other"])})
    noted = NotedRuns(timezone=schedule.timezone, schedule=schedule)
    need_all = asked(
        window=case["window"],
        timezone=zone,
        business_time=read(case["asking"]).isoformat(),
        own_run="run" if case.get("own") else None,
    )
    times = [read(text) for text in case["times"]]
    assert [found.shown for found in looked_for(need_all, noted)] == times
    latest = looked_for(replace(need_all, need="latest"), noted)
    assert [found.shown for found in latest] == times[-1:]
    assert all(found.is_slot for found in latest)


def test_there_is_no_such_window() -> None:
    for window in ("", "today", "last_0_days", "last_10000_days", "last_2_weeks", "last_2_days "):
        with pytest.raises(ValueError, match="is no window"):
            span_of(window, datetime(2026, 11, 20), own=False)
    with pytest.raises(OverflowError):
        span_of("last_9999_days", datetime(20, 1, 1), own=False)


def test_more_slots_than_anybody_wants() -> None:
    every_minute = Schedule.from_json({"cron": "* * * * *", "timezone": "UTC", "start_late": 0})
    noted = NotedRuns(timezone="UTC", schedule=every_minute)
    with pytest.raises(TooManyTimes, match="need: latest"):
        looked_for(asked(window="last_60_days", timezone="UTC"), noted)
    (latest,) = looked_for(asked(window="last_60_days", timezone="UTC", need="latest"), noted)
    assert latest.shown == datetime(2026, 11, 20, 23, 59)
    newest = looked_for(asked(window="last_60_days", timezone="UTC", need="any"), noted)
    assert (len(newest), newest[-1]) == (1_000, latest)


ZONES = ("Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "UTC")
WINDOWS = st.one_of(
    st.sampled_from(["same_time", "same_day", "this_week", "last_week"]),
    st.integers(1, 50).map("last_{}_hours".format),
    st.integers(1, 5).map("last_{}_days".format),
)
STEP = timedelta(minutes=15)
TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
DATES = st.one_of(
    st.dates(date(2024, 1, 1), date(2026, 12, 31)),
    # around clock changes
    st.sampled_from([date(2026, 3, 8), date(2026, 11, 1), date(2026, 4, 5), date(2026, 10, 4)]).flatmap(
        lambda day: st.integers(-3, 3).map(lambda days: day + timedelta(days=days))
    ),
)


def walked(schedule: Schedule, window: str, asking: datetime, zone: str, *, own: bool) -> list[datetime]:
    """Walk over time, and keep those moments that the words of the window mean."""
    rule = schedule.rule
    assert isinstance(rule, (Daily, Weekly))
    monday = asking.date() - timedelta(days=asking.weekday())
    found = set()
    moment = datetime.combine(asking.date() - timedelta(days=17), time.min, ZoneInfo("UTC"))
    before = moment.astimezone(schedule.zone).replace(tzinfo=None) - STEP
    seen = before
    while moment.date() < asking.date() + timedelta(days=5):
        clock = moment.astimezone(schedule.zone).replace(tzinfo=None)
        moment += STEP
        # the wall-clock times that have come for the first time, or were left out just now
        rings = False
        while seen < clock:
            seen += STEP
            is_day = isinstance(rule, Daily) or seen.weekday() in rule.days
            rings |= is_day and seen.time() == rule.at
        if not rings:
            continue
        about = clock - timedelta(days=1)
        if schedule.timezone != zone:
            about = about.replace(tzinfo=schedule.zone).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        number = int(window.split("_")[1]) if window[5].isdigit() else 0
        if window == "same_time":
            counts = about == asking
        elif window == "same_day":
            counts = about.date() == asking.date()
        elif window == "this_week":
            counts = about < asking if own else about.date() <= asking.date()
            counts = counts and about.date() >= monday
        elif window == "last_week":
            counts = monday - timedelta(days=7) <= about.date() < monday
        elif own:
            unit = timedelta(**{window.split("_")[2]: 1})
            counts = asking - number * unit <= about < asking
        elif window.endswith("hours"):
            counts = asking - timedelta(hours=number) < about <= asking
        else:
            counts = 0 <= (asking.date() - about.date()).days < number
        if counts:
            found.add(clock - timedelta(days=1))
    return sorted(found)


@given(
    window=WINDOWS,
    rule=st.one_of(
        st.builds(Daily, TIMES),
        st.builds(Weekly, st.lists(st.integers(0, 6), min_size=1, unique=True).map(tuple), TIMES),
    ),
    zones=st.tuples(st.sampled_from(ZONES), st.sampled_from(ZONES)),
    asking=st.builds(datetime.combine, DATES, TIMES),
    own=st.booleans(),
)
def test_against_a_walk(
    window: str, rule: Daily | Weekly, zones: tuple[str, str], asking: datetime, own: bool
) -> None:
    schedule = Schedule(rule, timezone=zones[0])
    zone = zones[0] if own else zones[1]
    span = span_of(window, asking, own=own)
    times = walked(schedule, window, asking, zone, own=own)
    assert slots_in(schedule, span, zone) == times
    assert latest_slot(schedule, span, zone) == (times[-1] if times else None)
