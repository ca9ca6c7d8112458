from __future__ import annotations

import time as clock
from datetime import date, datetime, time, timedelta, timezone

import pytest

from dms_provider.schedules import (
    Cron,
    Daily,
    HourInterval,
    HoursOfDay,
    Monthly,
    Once,
    Rule,
    Schedule,
    ScheduleError,
    Weekly,
)

UTC = timezone.utc

# Rule, first day, number of days, wall-clock times in Asia/Shanghai (DMS reference 5.1, flow-spec).
SLOTS: list[tuple[str, Rule, date, int, list[str]]] = [
    (
        "interval 00:00/6/20:59",
        HourInterval(time(0, 0), 6, time(20, 59)),
        date(2023, 8, 3),
        1,
        ["03T00:00", "03T06:00", "03T12:00", "03T18:00"],
    ),
    (
        "interval 01:30/5/20:59",
        HourInterval(time(1, 30), 5, time(20, 59)),
        date(2023, 8, 3),
        1,
        ["03T01:30", "03T06:30", "03T11:30", "03T16:30"],
    ),
    (
        "interval 00:30/6/18:15: 18:30 is past the end",
        HourInterval(time(0, 30), 6, time(18, 15)),
        date(2023, 8, 3),
        1,
        ["03T00:30", "03T06:30", "03T12:30"],
    ),
    (
        "the end of an interval is a time itself",
        HourInterval(time(0, 30), 6, time(18, 30)),
        date(2023, 8, 3),
        1,
        ["03T00:30", "03T06:30", "03T12:30", "03T18:30"],
    ),
    (
        "an interval starts anew each day",
        HourInterval(time(22, 0), 5, time(23, 59)),
        date(2023, 8, 3),
        2,
        ["03T22:00", "04T22:00"],
    ),
    ("points 0,5", HoursOfDay((0, 5)), date(2023, 8, 3), 1, ["03T00:00", "03T05:00"]),
    ("points in any order, twice", HoursOfDay((5, 0, 5)), date(2023, 8, 3), 1, ["03T00:00", "03T05:00"]),
    ("day 02:55", Daily(time(2, 55)), date(2023, 8, 3), 2, ["03T02:55", "04T02:55"]),
    (
        "Tue, Fri 00:00",
        Weekly((1, 4), time(0, 0)),
        date(2023, 8, 21),
        14,
        ["22T00:00", "25T00:00", "29T00:00", "01T00:00"],
    ),
    (
        "Mon, Thu 00:00",
        Weekly((0, 3), time(0, 0)),
        date(2023, 8, 3),
        9,
        ["03T00:00", "07T00:00", "10T00:00"],
    ),
    ("month day 1 01:00", Monthly((1,), time(1, 0)), date(2023, 8, 1), 40, ["01T01:00", "01T01:00"]),
    (
        "months without the day are passed over",
        Monthly((30,), time(1, 0)),
        date(2023, 1, 1),
        92,
        ["30T01:00", "30T01:00"],
    ),
    (
        "the last day, once where it is named twice",
        Monthly((28, "last"), time(1, 0)),
        date(2023, 1, 1),
        90,
        ["28T01:00", "31T01:00", "28T01:00", "28T01:00", "31T01:00"],
    ),
    ("once", Once(datetime(2026, 12, 1, 2)), date(2026, 11, 1), 60, ["01T02:00"]),
    ("Quartz from the console", Cron("0 55 2 * * ?"), date(2023, 8, 3), 2, ["03T02:55", "04T02:55"]),
    ("seconds", Cron("0/20 59 23 ? * 5"), date(2023, 8, 3), 1, ["03T23:59", "03T23:59:20", "03T23:59:40"]),
]


def midnight(day: date, schedule: Schedule) -> datetime:
    return datetime.combine(day, time(0), schedule.zone)


@pytest.mark.parametrize(
    ("rule", "day", "days", "expected"), [case[1:] for case in SLOTS], ids=[c[0] for c in SLOTS]
)
def test_slots(rule: Rule, day: date, days: int, expected: list[str]) -> None:
    schedule = Schedule(rule)

    slots = list(schedule.slots(midnight(day, schedule), midnight(day + timedelta(days=days), schedule)))

    assert [slot.strftime("%dT%H:%M:%S").removesuffix(":00") for slot in slots] == expected
    assert all(slot.utcoffset() == timedelta(hours=8) for slot in slots)


def test_the_example_of_the_reference_monday_and_thursday_in_august() -> None:
    schedule = Schedule(
        Weekly((0, 3), time(0, 0)), effective_from=date(2023, 8, 3), effective_to=date(2023, 8, 31)
    )

    slots = list(schedule.slots(datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)))

    assert [slot.day for slot in slots] == [3, 7, 10, 14, 17, 21, 24, 28, 31]
    assert slots[0].isoformat() == "2023-08-03T00:00:00+08:00"


def test_effective_days_are_days_of_the_zone() -> None:
    schedule = Schedule(
        HoursOfDay((0, 23)),
        "America/New_York",
        effective_from=date(2026, 1, 10),
        effective_to=date(2026, 1, 10),
    )

    slots = [
        slot.astimezone(UTC).isoformat()
        for slot in schedule.slots(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    ]

    assert slots == ["2026-01-10T05:00:00+00:00", "2026-01-11T04:00:00+00:00"]
    assert schedule.latest_slot(datetime(2026, 1, 10, 4, 59, tzinfo=UTC)) is None
    assert schedule.has_ended(datetime(2026, 1, 11, 4, 0, tzinfo=UTC))
    assert not schedule.has_ended(datetime(2026, 1, 11, 3, 59, 59, tzinfo=UTC))


def test_start_is_inclusive_and_end_exclusive() -> None:
    schedule = Schedule(HoursOfDay((1, 2, 3)), "UTC")

    slots = list(schedule.slots(datetime(2026, 1, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 3, tzinfo=UTC)))

    assert [slot.hour for slot in slots] == [1, 2]


def test_next_and_latest_slot_at_a_slot() -> None:
    schedule = Schedule(HoursOfDay((1, 2)), "UTC")
    one, two = datetime(2026, 1, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 2, tzinfo=UTC)

    assert schedule.next_slot(one) == two
    assert schedule.next_slot(one, inclusive=True) == one
    assert schedule.next_slot(one + timedelta(microseconds=1), inclusive=True) == two
    assert schedule.latest_slot(two) == two
    assert schedule.latest_slot(two - timedelta(microseconds=1)) == one


def test_once_is_over_when_it_is_past() -> None:
    schedule = Schedule(Once(datetime(2026, 12, 1, 2)))
    moment = datetime(2026, 11, 30, 18, tzinfo=UTC)

    assert schedule.next_slot(moment, inclusive=True) == moment
    assert not schedule.has_ended(moment - timedelta(seconds=1))
    assert schedule.has_ended(moment)


@pytest.mark.parametrize("bound", [datetime.min, datetime.max])
@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York", "UTC", "Pacific/Kiritimati"])
@pytest.mark.parametrize("rule", [Daily(time(2, 55)), Monthly(("last",), time(23, 59)), Cron("* * * * * ?")])
def test_the_ends_of_the_calendar(bound: datetime, zone: str, rule: Rule) -> None:
    schedule = Schedule(rule, zone)
    for moment in (bound.replace(tzinfo=UTC), bound.replace(tzinfo=schedule.zone)):
        for slot in (
            schedule.next_slot(moment),
            schedule.next_slot(moment, True),
            schedule.latest_slot(moment),
        ):
            assert slot is None or slot.year in (1, 9999)


@pytest.mark.parametrize(
    ("rule", "after", "expected"),
    [
        (Cron("0 0 29 2 *"), "2096-02-29T00:00", "2104-02-29T00:00"),
        (Cron("0 0 0 ? 2 2#5"), "2072-03-01T00:00", "2112-02-29T00:00"),
        (Cron("0 0 0 1 1 ? 2099"), "1970-01-01T00:00", "2099-01-01T00:00"),
        (Cron("0 0 0 1 1 ? 1971"), "1971-01-01T00:00", None),
        (Monthly((31,), time(0, 0)), "2026-11-30T00:00", "2026-12-31T00:00"),
        (Once(datetime(1970, 1, 1)), "1970-01-01T00:00", None),
        (Once(datetime(9999, 1, 1)), "1970-01-01T00:00", "9999-01-01T00:00"),
    ],
)
def test_a_far_slot_is_found_at_once(rule: Rule, after: str, expected: str | None) -> None:
    schedule = Schedule(rule, "UTC")
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)

    started = clock.process_time()
    for _ in range(20):
        slot = schedule.next_slot(moment)
    assert clock.process_time() - started < 5

    assert (slot and slot.replace(tzinfo=None)) == (expected and datetime.fromisoformat(expected))


def test_a_naive_moment_is_refused() -> None:
    schedule = Schedule(Daily(time(0, 0)))
    for call in (schedule.next_slot, schedule.latest_slot):
        with pytest.raises(ValueError, match="no time zone"):
            call(datetime(2026, 1, 1))


@pytest.mark.parametrize(
    ("make", "field", "message"),
    [
        (lambda: HourInterval(time(0), 0, time(1)), "every", "allowed are 1 to 23"),
        (lambda: HourInterval(time(0), 24, time(1)), "every", "allowed are 1 to 23"),
        (lambda: HourInterval(time(2), 1, time(1)), "end", "before the start"),
        (lambda: HourInterval(time(2, tzinfo=UTC), 1, time(3)), "start", "no zone"),
        (lambda: HoursOfDay(()), "hours", "no hour"),
        (lambda: HoursOfDay((24,)), "hours", "hour 24 does not exist; allowed are 0 to 23"),
        (lambda: Daily(time(0, 0, 0, 1)), "at", "whole seconds"),
        (lambda: Weekly((7,), time(0)), "days", "weekday 7"),
        (lambda: Weekly((), time(0)), "days", "no weekday"),
        (lambda: Monthly((), time(0)), "days", "no day"),
        (lambda: Monthly((32,), time(0)), "days", "day 32 is not in any month"),
        (lambda: Monthly((0,), time(0)), "days", "day 0"),
        (lambda: Once(datetime(2026, 1, 1, tzinfo=UTC)), "once", "no zone"),
        (lambda: Schedule(Daily(time(0)), "Asia/Peking"), "timezone", "no time zone 'Asia/Peking'"),
        (lambda: Schedule(Daily(time(0)), "../../etc/passwd"), "timezone", "no time zone"),
        (lambda: Schedule(Daily(time(0)), "Asia"), "timezone", "no time zone"),
        (lambda: Schedule(Daily(time(0)), ""), "timezone", "no time zone"),
        (
            lambda: Schedule(Daily(time(0)), effective_from=date(2026, 1, 2), effective_to=date(2026, 1, 1)),
            "effective",
            "before the first",
        ),
        (lambda: Schedule(Daily(time(0)), start_late=timedelta(-1)), "start_late", "negative"),
    ],
)
def test_what_cannot_be_is_refused(make: object, field: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message) as caught:
        make()  # type: ignore[operator]  # a table of callables

    assert caught.value.field == field
