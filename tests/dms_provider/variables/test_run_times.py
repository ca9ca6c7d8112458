"""Run time and business time, on the wall clock of the flow's zone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_provider.variables.run_conf import RunConfError
from dms_provider.variables.run_times import RunTimes, parse_time, run_times

UTC = timezone.utc

PARSED = [
    # text, zone of the flow, what the wall clock there shows
    ("2021-08-11", "Asia/Shanghai", "2021-08-11T00:00:00+08:00"),
    ("2021-08-11 11:05", "Asia/Shanghai", "2021-08-11T11:05:00+08:00"),
    ("2021-08-11T11:05:21", "Asia/Shanghai", "2021-08-11T11:05:21+08:00"),
    ("2021-08-11T11:05:21.5", "Asia/Shanghai", "2021-08-11T11:05:21.500000+08:00"),
    ("2021-08-11T11:05:21.123456789", "Asia/Shanghai", "2021-08-11T11:05:21.123456+08:00"),
    ("2021-08-11T11:05:21Z", "Asia/Shanghai", "2021-08-11T19:05:21+08:00"),
    ("2021-08-11T11:05:21+05:30", "Asia/Shanghai", "2021-08-11T13:35:21+08:00"),
    ("2021-08-11T11:05-0400", "Asia/Shanghai", "2021-08-11T23:05:00+08:00"),
    ("2021-08-11T11:05+08", "UTC", "2021-08-11T03:05:00+00:00"),
    ("2024-11-03T01:30:00-05:00", "America/New_York", "2024-11-03T01:30:00-05:00"),
    ("2024-11-03T01:30:00-04:00", "America/New_York", "2024-11-03T01:30:00-04:00"),
]

NO_TIMES = [
    *("", "yesterday", "2021-8-1", "20210811", "2021-08-11T", "2021-08-11T11", "2021-08-11 11:05 CST"),
    *("2021-02-30", "2021-08-11T24:00", "2021-08-11T11:05+25:00", "2021-08-11T11:05+01:99", "0000-01-01"),
    *("２０２１-08-11", "2021-08-11\n", "0001-01-01T00:00+14:00"),
]


def dag_run(run_after: str, conf: dict[str, Any] | None = None) -> SimpleNamespace:
    """A run as a worker sees it. Its logical date is a trap: times never come from it."""
    return SimpleNamespace(
        run_after=datetime.fromisoformat(run_after),
        conf=conf,
        logical_date=datetime(1999, 1, 1, tzinfo=UTC),
        data_interval_start=datetime(1999, 1, 1, tzinfo=UTC),
        data_interval_end=datetime(1999, 1, 2, tzinfo=UTC),
    )


@pytest.mark.parametrize(("text", "zone", "expected"), PARSED)
def test_parse_time(text: str, zone: str, expected: str) -> None:
    moment = parse_time(text, zone)
    assert moment.isoformat() == expected
    assert moment.tzinfo == ZoneInfo(zone)


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        parse_time(text, "Asia/Shanghai")


@given(st.datetimes(timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=-9, minutes=-30))])))
def test_every_isoformat_is_read(moment: datetime) -> None:
    expected = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    assert parse_time(moment.isoformat(), "UTC") == expected


def test_a_scheduled_run() -> None:
    times = run_times(dag_run("2021-08-12T03:05:21+00:00"), "Asia/Shanghai")
    assert times.run_time.isoformat() == "2021-08-12T11:05:21+08:00"
    assert times.business_time.isoformat() == "2021-08-11T11:05:21+08:00"


@pytest.mark.parametrize(
    ("run_after", "business_time"),
    [
        # 23 hours and 25 hours before, on the clock
        ("2024-03-10T12:00:00-04:00", "2024-03-09T12:00:00-05:00"),
        ("2024-11-03T12:00:00-05:00", "2024-11-02T12:00:00-04:00"),
        # the day before has no 02:30
        ("2024-03-11T02:30:00-04:00", "2024-03-10T02:30:00-05:00"),
    ],
)
def test_a_day_is_a_day_on_the_wall_clock(run_after: str, business_time: str) -> None:
    assert run_times(dag_run(run_after), "America/New_York").business_time.isoformat() == business_time


def test_the_business_time_of_conf() -> None:
    conf = {"dms": {"business_time": "2021-08-11T11:05:21"}}
    times = run_times(dag_run("2030-01-01T00:00:00+00:00", conf), "Asia/Shanghai")
    assert times.business_time.isoformat() == "2021-08-11T11:05:21+08:00"
    assert times.run_time.isoformat() == "2021-08-12T11:05:21+08:00"


@pytest.mark.parametrize("given", ["soon", "9999-12-31", "2021-13-01"])
def test_a_wrong_business_time(given: str) -> None:
    with pytest.raises(RunConfError, match="business_time"):
        run_times(dag_run("2021-08-12T03:05:21+00:00", {"dms": {"business_time": given}}), "Asia/Shanghai")


@pytest.mark.parametrize("zone", ["Asia/Shanghi", "", "../etc/passwd", "Asia"])
def test_an_unknown_zone(zone: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        run_times(dag_run("2021-08-12T03:05:21+00:00"), zone)
    conf = {"dms": {"business_time": "2021-08-11"}}
    with pytest.raises(ValueError, match="unknown time zone") as caught:
        run_times(dag_run("2021-08-12T03:05:21+00:00", conf), zone)
    assert not isinstance(caught.value, RunConfError)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        RunTimes.from_run_time(datetime(2021, 8, 12), "Asia/Shanghai")
    with pytest.raises(ValueError, match="no time zone"):
        RunTimes.from_business_time(datetime(2021, 8, 12), "Asia/Shanghai")


@given(
    st.datetimes(datetime(1970, 1, 3), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["Asia/Shanghai", "America/New_York", "Europe/London", "Australia/Lord_Howe"]),
)
def test_there_and_back(moment: datetime, zone: str) -> None:
    times = RunTimes.from_run_time(moment, zone)
    assert times.run_time.astimezone(UTC) == moment
    wall, wall_before = (time.replace(tzinfo=None) for time in (times.run_time, times.business_time))
    assert wall - wall_before == timedelta(days=1)
    again = RunTimes.from_business_time(times.business_time, zone)
    assert again.business_time == times.business_time


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Havana", "Asia/Shanghai", "Australia/Lord_Howe"])
def test_a_business_time_keeps_its_wall_clock_through_text(zone: str) -> None:
    slot = datetime(2025, 1, 1, 0, 30, tzinfo=timezone.utc)
    for half_hours in range(2 * 24 * 366):
        business_time = RunTimes.from_run_time(slot + half_hours * timedelta(minutes=30), zone).business_time
        again = parse_time(business_time.isoformat(), zone)
        assert (again.replace(tzinfo=None), again.utcoffset()) == (
            business_time.replace(tzinfo=None),
            business_time.utcoffset(),
        )


def test_a_time_of_pendulum_is_a_time() -> None:
    times = RunTimes.from_run_time(pendulum.datetime(2026, 3, 8, 7, 30, tz="UTC"), "America/New_York")
    assert times.run_time.isoformat() == "2026-03-08T03:30:00-04:00"
    assert times.business_time.isoformat() == "2026-03-07T03:30:00-05:00"
