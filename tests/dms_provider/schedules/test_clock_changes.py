"""Worked by hand from the published clock changes of each zone."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone

import pytest

from dms_provider.schedules import Cron, Daily, HoursOfDay, Rule, Schedule

UTC = timezone.utc

# Zone, rule, start and end in UTC, slots in UTC.
CHANGES: list[tuple[str, Rule, str, str, list[str]]] = [
    # Berlin, 29 March 2026, 02:00 -> 03:00 (01:00 UTC)
    (
        "Europe/Berlin",
        Daily(time(2, 30)),
        "2026-03-28T00:00",
        "2026-03-31T00:00",
        ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"],
    ),
    ("Europe/Berlin", HoursOfDay((2, 3)), "2026-03-29T00:00", "2026-03-29T23:00", ["2026-03-29T01:00"]),
    (
        "Europe/Berlin",
        Cron("*/20 * * * *"),
        "2026-03-29T00:30",
        "2026-03-29T01:30",
        ["2026-03-29T00:40", "2026-03-29T01:00", "2026-03-29T01:20"],
    ),
    # Berlin, 25 October 2026, 03:00 -> 02:00 (01:00 UTC)
    (
        "Europe/Berlin",
        Daily(time(2, 30)),
        "2026-10-24T00:00",
        "2026-10-27T00:00",
        ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"],
    ),
    (
        "Europe/Berlin",
        Cron("0 * * * *"),
        "2026-10-24T23:00",
        "2026-10-25T04:00",
        ["2026-10-24T23:00", "2026-10-25T00:00", "2026-10-25T02:00", "2026-10-25T03:00"],
    ),
    # New York, 8 March 2026, 02:00 -> 03:00 (07:00 UTC); 1 November 2026, 02:00 -> 01:00 (06:00 UTC)
    ("America/New_York", Daily(time(2, 0)), "2026-03-08T00:00", "2026-03-09T00:00", ["2026-03-08T07:00"]),
    ("America/New_York", Daily(time(1, 30)), "2026-11-01T00:00", "2026-11-02T00:00", ["2026-11-01T05:30"]),
    # Cairo, 24 April 2026, 00:00 -> 01:00 (23 April, 22:00 UTC)
    (
        "Africa/Cairo",
        Daily(time(0, 0)),
        "2026-04-22T12:00",
        "2026-04-25T12:00",
        ["2026-04-22T22:00", "2026-04-23T22:00", "2026-04-24T21:00"],
    ),
    ("Africa/Cairo", HoursOfDay((0, 1)), "2026-04-23T12:00", "2026-04-24T12:00", ["2026-04-23T22:00"]),
    # Cairo, 30 October 2026, 00:00 -> 29 October, 23:00 (29 October, 21:00 UTC)
    (
        "Africa/Cairo",
        HoursOfDay((0, 23)),
        "2026-10-29T12:00",
        "2026-10-30T12:00",
        ["2026-10-29T20:00", "2026-10-29T22:00"],
    ),
    # Beirut, 29 March 2026, 00:00 -> 01:00 (28 March, 22:00 UTC)
    (
        "Asia/Beirut",
        Daily(time(0, 30)),
        "2026-03-27T12:00",
        "2026-03-30T12:00",
        ["2026-03-27T22:30", "2026-03-28T22:00", "2026-03-29T21:30"],
    ),
    # Havana, 8 March 2026, 00:00 -> 01:00 (05:00 UTC); 1 November 2026, 01:00 -> 00:00 (05:00 UTC)
    ("America/Havana", Daily(time(0, 0)), "2026-03-08T00:00", "2026-03-09T00:00", ["2026-03-08T05:00"]),
    (
        "America/Havana",
        Cron("*/30 0,1 * * *"),
        "2026-11-01T03:00",
        "2026-11-01T07:00",
        ["2026-11-01T04:00", "2026-11-01T04:30", "2026-11-01T06:00", "2026-11-01T06:30"],
    ),
    # Asuncion, 6 October 2019, 00:00 -> 01:00 (04:00 UTC)
    ("America/Asuncion", Daily(time(0, 15)), "2019-10-05T12:00", "2019-10-06T12:00", ["2019-10-06T04:00"]),
    # Lord Howe, half an hour: 4 October 2026, 02:00 -> 02:30 (3 October, 15:30 UTC)
    (
        "Australia/Lord_Howe",
        Cron("*/15 2 * * *"),
        "2026-10-03T12:00",
        "2026-10-04T12:00",
        ["2026-10-03T15:30", "2026-10-03T15:45"],
    ),
    # Apia left out 30 December 2011 (10:00 UTC)
    (
        "Pacific/Apia",
        Daily(time(6, 0)),
        "2011-12-29T00:00",
        "2011-12-31T20:00",
        ["2011-12-29T16:00", "2011-12-30T10:00", "2011-12-30T16:00", "2011-12-31T16:00"],
    ),
    # Shanghai has had no change since 1991
    ("Asia/Shanghai", Daily(time(2, 55)), "2026-03-28T00:00", "2026-03-29T00:00", ["2026-03-28T18:55"]),
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("zone", "rule", "start", "end", "expected"), CHANGES)
def test_each_wall_clock_time_runs_once(
    zone: str, rule: Rule, start: str, end: str, expected: list[str]
) -> None:
    schedule = Schedule(rule, zone)
    slots = [utc(slot) for slot in expected]

    assert [slot.astimezone(UTC) for slot in schedule.slots(utc(start), utc(end))] == slots

    walked_back, until = [], utc(end)
    while (slot := schedule.latest_slot(until - timedelta(seconds=1))) is not None and slot >= utc(start):
        until = slot.astimezone(UTC)
        walked_back.append(until)
    assert walked_back[::-1] == slots


def test_a_moment_given_in_the_zone_itself_counts_as_an_instant() -> None:
    schedule = Schedule(Cron("*/30 * * * *"), "Europe/Berlin")
    second_pass = datetime(2026, 10, 25, 2, 30, tzinfo=schedule.zone, fold=1)

    after = schedule.next_slot(second_pass)

    assert after is not None
    assert after.astimezone(UTC) == utc("2026-10-25T02:00")
    latest = schedule.latest_slot(second_pass)
    assert latest is not None
    assert latest.astimezone(UTC) == utc("2026-10-25T00:30")
    end = datetime(2026, 10, 25, 2, 30, tzinfo=schedule.zone)
    assert len(list(schedule.slots(utc("2026-10-25T00:00"), end))) == 1
    assert len(list(schedule.slots(utc("2026-10-25T00:00"), end.replace(fold=1)))) == 2
