from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from dms_provider.schedules import Cron, Schedule, ScheduleError

UTC = timezone.utc

# Text, and its first slots from 1 January 2026 (a Thursday) 00:00 on, in UTC.
FIRST_SLOTS = [
    ("0 0 * * 0", ["01-04T00:00:00", "01-11T00:00:00"]),
    ("0 0 * * 7", ["01-04T00:00:00", "01-11T00:00:00"]),
    ("0 0 * * sun", ["01-04T00:00:00", "01-11T00:00:00"]),
    ("0 0 * * 5-7", ["01-02T00:00:00", "01-03T00:00:00", "01-04T00:00:00", "01-09T00:00:00"]),
    ("0 0 0 ? * 1", ["01-04T00:00:00", "01-11T00:00:00"]),
    ("0 0 0 ? * SUN", ["01-04T00:00:00", "01-11T00:00:00"]),
    ("0 0 0 ? * FRI-MON", ["01-02T00:00:00", "01-03T00:00:00", "01-04T00:00:00", "01-05T00:00:00"]),
    ("0 0 0 ? * 6-2", ["01-02T00:00:00", "01-03T00:00:00", "01-04T00:00:00", "01-05T00:00:00"]),
    ("0 0 0 * * 2", ["01-05T00:00:00", "01-12T00:00:00"]),
    ("0 0 0 1 * *", ["01-01T00:00:00", "02-01T00:00:00"]),
    ("0 0 13 * 5", ["01-02T00:00:00", "01-09T00:00:00", "01-13T00:00:00", "01-16T00:00:00"]),
    ("0 0 1 * 0-6", ["01-01T00:00:00", "01-02T00:00:00", "01-03T00:00:00"]),
    ("0 0 */1 * 5", ["01-02T00:00:00", "01-09T00:00:00"]),
    ("0 0 L * *", ["01-31T00:00:00", "02-28T00:00:00"]),
    ("0 0 0 L * ?", ["01-31T00:00:00", "02-28T00:00:00"]),
    ("0 0 0 L-3 * ?", ["01-28T00:00:00", "02-25T00:00:00"]),
    ("0 0 0 LW * ?", ["01-30T00:00:00", "02-27T00:00:00"]),
    ("0 0 0 15W * ?", ["01-15T00:00:00", "02-16T00:00:00", "03-16T00:00:00"]),
    ("0 0 0 1W 8 ?", ["08-03T00:00:00"]),
    ("0 0 0 31W 1,5 ?", ["01-30T00:00:00", "05-29T00:00:00"]),
    ("0 0 0 ? * 6#3", ["01-16T00:00:00", "02-20T00:00:00"]),
    ("0 0 0 ? * FRI#5", ["01-30T00:00:00", "05-29T00:00:00"]),
    ("0 0 0 ? * 6L", ["01-30T00:00:00", "02-27T00:00:00"]),
    ("0 0 * * 5L", ["01-30T00:00:00", "02-27T00:00:00"]),
    ("0 0 0 ? * L", ["01-03T00:00:00", "01-10T00:00:00"]),
    ("0 0 0 1,L * ?", ["01-01T00:00:00", "01-31T00:00:00", "02-01T00:00:00"]),
    ("10/20 59 23 * * ?", ["01-01T23:59:10", "01-01T23:59:30", "01-01T23:59:50"]),
    ("0 0 22-1 * * ?", ["01-01T00:00:00", "01-01T01:00:00", "01-01T22:00:00", "01-01T23:00:00"]),
    ("0 0 0 1 nov-feb ?", ["01-01T00:00:00", "02-01T00:00:00", "11-01T00:00:00", "12-01T00:00:00"]),
    ("0 0 0 1 1 ? 2026-2028/2", ["01-01T00:00:00", "01-01T00:00:00"]),
    ("0 55 2 * * ? *", ["01-01T02:55:00", "01-02T02:55:00"]),
    ("  5  0   * *\t* ", ["01-01T00:05:00", "01-02T00:05:00"]),
    ("5/30 0 * jan thu", ["01-01T00:05:00", "01-01T00:35:00", "01-08T00:05:00"]),
]


@pytest.mark.parametrize(("text", "expected"), FIRST_SLOTS)
def test_what_a_text_names(text: str, expected: list[str]) -> None:
    schedule = Schedule(Cron(text), "UTC")
    slots = []
    moment = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
    for _ in expected:
        found = schedule.next_slot(moment)
        assert found is not None
        moment = found
        slots.append(found.strftime("%m-%dT%H:%M:%S"))

    assert slots == expected


REFUSED = [
    ("99 3 * * *", "minute: 99 is not allowed; allowed are 0 to 59"),
    ("0 24 * * *", "hour: 24 is not allowed; allowed are 0 to 23"),
    ("0 0 0 * *", "day of month: 0 is not allowed; allowed are 1 to 31"),
    ("0 0 32 * *", "day of month: 32 is not allowed"),
    ("0 0 * 13 *", "month: 13 is not allowed; allowed are 1 to 12, or JAN to DEC"),
    ("0 0 * * 8", "day of week: 8 is not allowed; allowed are 0 to 7, or SUN to SAT"),
    ("0 0 * * foo", "day of week: FOO is not allowed"),
    ("60 0 0 * * ?", "second: 60 is not allowed"),
    ("0 0 0 ? * 0", "day of week: 0 is not allowed; allowed are 1 to 7"),
    ("0 0 0 ? * 8", "day of week: 8 is not allowed"),
    ("0 0 0 1 1 ? 1969", "year: 1969 is not allowed; allowed are 1970 to 2099"),
    ("0 0 0 1 1 ? 2030-2020", "year: '2030-2020' runs backwards"),
    ("0 0 0 1 * 2", "day of month is 1 and day of week is 2; Quartz allows one of them only"),
    ("0 0 0 1W * 2L", "Quartz allows one of them only"),
    ("0 0 0 ? * ?", "both ?"),
    ("0 0 * * ?", "day of week: ? belongs to Quartz's form"),
    ("0 0 ? * 1", "day of month: ? belongs to Quartz's form"),
    ("0 ? 0 * * ?", "minute: '?' cannot be read"),
    ("0 22-1 * * *", "hour: '22-1' runs backwards"),
    ("*/0 * * * *", "minute: the step of '*/0' is not a number from 1 to 59"),
    ("*/60 * * * *", "minute: the step"),
    ("*-5 * * * *", "minute: '*-5' cannot be read"),
    ("1,,2 * * * *", "minute: '' cannot be read"),
    ("-1 * * * *", "minute: '-1' cannot be read"),
    ("1.5 * * * *", "minute: '1.5' cannot be read"),
    ("５ * * * *", "minute: '５' cannot be read"),
    ("² * * * *", "minute: '²' cannot be read"),
    ("99999999999999999999 * * * *", "minute: 99999999999999999999 is not allowed"),
    ("0 0 0 L-31 * ?", "day of month: L-31 is before the month"),
    ("0 0 0 32W * ?", "day of month: 32 is not allowed"),
    ("0 0 0 ? * 2#6", "day of week: 2#6: a weekday comes up to 5 times a month"),
    ("0 0 0 ? * 2#0", "allowed are #1 to #5"),
    ("0 0 * * L", "day of week: L is not allowed"),
    ("0 0 30 2 *", "never fires"),
    ("0 0 31 4,6,9,11 *", "never fires"),
    ("0 0 0 29 2 ? 2023", "never fires"),
    ("0 0 0 ? 2 2#5 2024", "never fires"),
    ("", "has 0 fields"),
    ("* * * *", "has 4 fields"),
    ("0 0 0 1 1 ? 2026 *", "has 8 fields"),
    ("@daily", "has 1 fields"),
    (",".join(["1"] * 200) + " * * * *", "in at most 256 characters"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[text[:30] for text, _ in REFUSED])
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        Cron(text)

    assert message in str(caught.value)
    assert caught.value.field == "cron"
    assert len(caught.value.message) < 300


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    # croniter takes a range of one number for the whole field
    pairs = st.lists(number, min_size=2, max_size=2, unique=True).map(sorted)
    ranges = pairs.map(lambda pair: f"{pair[0]}-{pair[1]}")
    step = st.integers(1, high - low)
    element = st.one_of(
        number.map(str),
        ranges,
        st.builds("{}/{}".format, ranges, step),
        st.builds("*/{}".format, step),
    )
    return st.one_of(st.just("*"), st.lists(element, min_size=1, max_size=3).map(",".join))


@st.composite
def unix_texts(draw: st.DrawFn) -> str:
    day_of_month = draw(numbers(1, 28))
    # beside a step of all days, croniter takes some days of the week for a restriction and some not
    weekdays = st.lists(st.integers(0, 6), min_size=1, max_size=5, unique=True).map(
        lambda days: ",".join(map(str, days))
    )
    day_of_week = "*" if "/" in day_of_month else draw(st.just("*") | weekdays)
    return " ".join(
        (draw(numbers(0, 59)), draw(numbers(0, 23)), day_of_month, draw(numbers(1, 12)), day_of_week)
    )


MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)


@given(text=unix_texts(), moment=MOMENTS)
def test_unix_texts_name_what_croniter_says(text: str, moment: datetime) -> None:
    schedule = Schedule(Cron(text), "UTC")
    after, before = moment.replace(tzinfo=UTC), (moment - timedelta(seconds=1)).replace(tzinfo=UTC)
    forward, backward = croniter(text, moment), croniter(text, moment)

    for _ in range(4):
        found = schedule.next_slot(after)
        assert found is not None
        assert found.replace(tzinfo=None) == forward.get_next(datetime)
        after = found
    for _ in range(4):
        found = schedule.latest_slot(before)
        assert found is not None
        assert found.replace(tzinfo=None) == backward.get_prev(datetime)
        before = found - timedelta(seconds=1)


@given(st.text(alphabet="0123456789*/-,?LW#SUNMOJAFEB \t", max_size=40) | st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        rule = Cron(text)
    except ScheduleError:
        return
    assert Schedule(rule, "UTC").next_slot(datetime(1970, 1, 1, tzinfo=UTC), inclusive=True) is not None
