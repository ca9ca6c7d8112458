"""Every kind of rule, in zones with all kinds of clock changes, against a walk through every minute."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from dms_provider.schedules import (
    Cron,
    Daily,
    HourInterval,
    HoursOfDay,
    Monthly,
    Once,
    Rule,
    Schedule,
    Weekly,
)

UTC = timezone.utc
MINUTE = timedelta(minutes=1)

# Zones, and an instant near a change of their clocks.
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, 1)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1)),
    ("America/New_York", datetime(2026, 11, 1, 6)),
    ("Africa/Cairo", datetime(2026, 4, 23, 22)),
    ("Africa/Cairo", datetime(2026, 10, 29, 21)),
    ("Asia/Beirut", datetime(2026, 3, 28, 22)),
    ("America/Havana", datetime(2026, 3, 8, 5)),
    ("America/Havana", datetime(2026, 11, 1, 5)),
    ("America/Asuncion", datetime(2019, 10, 6, 4)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10)),
    ("Africa/Casablanca", datetime(2026, 2, 15, 2)),
    ("Asia/Shanghai", datetime(1991, 9, 14, 17)),
    ("Asia/Shanghai", datetime(2024, 2, 29)),
    ("UTC", datetime(2026, 12, 31, 23)),
]

TIMES = st.builds(time, st.integers(0, 23), st.integers(0, 59))
HOURS = st.lists(st.integers(0, 23), min_size=1, max_size=6).map(tuple)
Matches = Callable[[datetime], bool]


def last_day(day: date) -> bool:
    return (day + timedelta(days=1)).day == 1


@st.composite
def rules(draw: st.DrawFn, near: datetime) -> tuple[Rule, Matches]:
    """Draw a rule, and apart from it what it means for one wall-clock minute."""
    kind = draw(
        st.sampled_from(["interval", "hours", "daily", "weekly", "monthly", "once", "unix", "quartz"])
    )
    at = draw(TIMES)
    if kind == "interval":
        every, end = draw(st.integers(1, 23)), draw(TIMES.filter(lambda t: t >= at))
        return HourInterval(
            at, every, end
        ), lambda w: at <= w.time() <= end and w.minute == at.minute and (w.hour - at.hour) % every == 0
    if kind == "hours":
        hours = draw(HOURS)
        return HoursOfDay(hours), lambda w: w.minute == 0 and w.hour in hours
    if kind == "daily":
        return Daily(at), lambda w: w.time() == at
    if kind == "weekly":
        weekdays = draw(st.lists(st.integers(0, 6), min_size=1).map(tuple))
        return Weekly(weekdays, at), lambda w: w.time() == at and w.weekday() in weekdays
    if kind == "monthly":
        days = draw(st.lists(st.integers(1, 31) | st.just("last"), min_size=1, max_size=5).map(tuple))
        return Monthly(
            days, at
        ), lambda w: w.time() == at and (w.day in days or ("last" in days and last_day(w.date())))
    if kind == "once":
        moment = near + timedelta(minutes=draw(st.integers(-3000, 3000)))
        return Once(moment), lambda w: w == moment
    minutes = draw(st.lists(st.integers(0, 59), min_size=1, max_size=5))
    hours = draw(HOURS)
    fields = f"{','.join(map(str, minutes))} {','.join(map(str, hours))}"
    weekday = draw(st.integers(0, 6))
    if kind == "unix":
        day = draw(st.integers(1, 31))
        return (
            Cron(f"{fields} {day} * {weekday}"),
            lambda w: (
                w.minute in minutes and w.hour in hours and (w.day == day or w.isoweekday() % 7 == weekday)
            ),
        )
    return Cron(
        f"0 {fields} ? * {weekday + 1}"
    ), lambda w: w.minute in minutes and w.hour in hours and w.isoweekday() % 7 == weekday


@st.composite
def cases(draw: st.DrawFn) -> tuple[Schedule, Matches, datetime, int]:
    zone, change = draw(st.sampled_from(CHANGES))
    local = change.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    rule, matches = draw(rules(local))
    first, last = draw(st.none() | st.integers(-2, 1)), draw(st.none() | st.integers(1, 2))
    schedule = Schedule(
        rule,
        zone,
        effective_from=None if first is None else local.date() + timedelta(days=first),
        effective_to=None if last is None else local.date() + timedelta(days=last),
    )
    start = change.replace(tzinfo=UTC) + timedelta(minutes=draw(st.integers(-1500, 200)))
    return schedule, matches, start, draw(st.integers(1, 2500))


def walk(schedule: Schedule, matches: Matches, start: datetime, minutes: int) -> list[datetime]:
    """Watch the clock minute by minute for when it first comes to, or past, a time that matches."""
    zone = ZoneInfo(schedule.timezone)
    moment = start - timedelta(days=2)
    furthest = moment.astimezone(zone).replace(tzinfo=None)
    found = []
    while moment < start + minutes * MINUTE:
        wall = moment.astimezone(zone).replace(tzinfo=None)
        new = []
        while furthest < wall:
            furthest += MINUTE
            new.append(furthest)
        if moment >= start and any(
            matches(w)
            and (schedule.effective_from is None or w.date() >= schedule.effective_from)
            and (schedule.effective_to is None or w.date() <= schedule.effective_to)
            for w in new
        ):
            found.append(moment)
        moment += MINUTE
    return found


@given(cases())
def test_slots_are_what_a_walk_through_every_minute_finds(
    case: tuple[Schedule, Matches, datetime, int],
) -> None:
    schedule, matches, start, minutes = case
    end = start + minutes * MINUTE

    expected = walk(schedule, matches, start, minutes)

    assert [slot.astimezone(UTC) for slot in schedule.slots(start, end)] == expected
    backwards: list[datetime] = []
    slot = schedule.latest_slot(end - timedelta(microseconds=1))
    while slot is not None and slot >= start:
        backwards.insert(0, slot.astimezone(UTC))
        slot = schedule.latest_slot(backwards[0] - timedelta(microseconds=1))
    assert backwards == expected


@given(cases(), st.timedeltas(timedelta(0), timedelta(days=3)), st.booleans())
def test_a_schedule_survives_json(
    case: tuple[Schedule, Matches, datetime, int], start_late: timedelta, enabled: bool
) -> None:
    drawn = case[0]
    schedule = Schedule(
        drawn.rule, drawn.timezone, drawn.effective_from, drawn.effective_to, start_late, enabled
    )

    text = json.dumps(schedule.to_json())

    assert Schedule.from_json(json.loads(text)) == schedule
    assert json.dumps(Schedule.from_json(json.loads(text)).to_json()) == text


@given(cases())
def test_cron_texts_name_the_same_slots(case: tuple[Schedule, Matches, datetime, int]) -> None:
    schedule, _, start, minutes = case
    span = (start, start + minutes * MINUTE)
    slots = list(schedule.slots(*span))
    if schedule.cron is None:
        assert isinstance(schedule.rule, Once)
        return
    for text in (schedule.cron.five_field, schedule.cron.quartz):
        if text is not None:
            again = Schedule(Cron(text), schedule.timezone, schedule.effective_from, schedule.effective_to)
            assert list(again.slots(*span)) == slots
