"""Time patterns against the DMS documentation, against Java, and against ways to count of others."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_provider.variables.pattern import PatternError, TimePattern

SHANGHAI = ZoneInfo("Asia/Shanghai")
JAVA = [
    line.split("\t")
    for line in (Path(__file__).parent / "java_time_patterns.tsv").read_text("utf-8").splitlines()
]

# DMS reference, section 2.6: run time, pattern, text. The business time is the run time minus a day.
DOCUMENTED = [
    ("2021-08-12", "yyyy-MM-dd|-6M", "2021-02-11"),
    ("2019-08-15", "yyyy-MM-dd", "2019-08-14"),
    ("2023-08-22", "yyyy-MM-dd|+1d", "2023-08-22"),
    ("2022-01-24 14:00", "yyyy-MM-dd HH:mm|+30m", "2022-01-23 14:30"),
    ("2021-08-12 11:05:21", "yyyy-MM-dd", "2021-08-11"),
    ("2021-08-12 11:05:21", "yyyy-MM-dd|+1d", "2021-08-12"),
    ("2021-08-12 11:05:21", "yyyyMMdd|-1d", "20210810"),
    ("2021-08-12 11:05:21", "yyyyMM|-1M", "202107"),
    ("2021-08-12 11:05:21", "yyyyMM01|+0d", "20210801"),
    ("2021-08-12 11:05:21", "w", "33"),
    ("2021-08-12 11:05:21", "yyyy-MM-dd|-2d+1y", "2022-08-09"),
    ("2021-08-12 11:05:21", "yyyy-MM-dd|-1w", "2021-08-04"),
    ("2021-08-12 11:05:21", "yyyy-MM-dd HH:mm:ss|-1h", "2021-08-11 10:05:21"),
    ("2021-08-12 11:05:21", "HH:mm:ss|+30m", "11:35:21"),
    ("2021-08-12 11:05:21", "D", "223"),
    ("2021-08-12 11:05:21", "e", "3"),
    ("2021-08-12 11:05:21", "W", "3"),
    ("2021-08-12 11:05:21", "Gyyyy", "公元2021"),
    ("2021-08-12 11:05:21", "z", "UTC+08:00"),
    ("2021-08-12 11:05:21", "E", "星期三"),
    ("2021-08-12 11:05:21", "MMM", "八月"),
    ("2021-08-12 11:05:21", "a", "上午"),
    ("2021-08-12 11:05:21", "yyyy-MM-dd|+0m+0h-2d+0w+0M+1y", "2022-08-09"),
    ("2024-03-31", "yyyy-MM-dd", "2024-03-30"),
    ("2024-03-31", "yyyy-MM-dd|-1M", "2024-02-29"),
    ("2024-03-31", "yyyy-MM-dd|-1y", "2023-03-30"),
    ("2024-03-31", "yyyy-MM-dd|+1d", "2024-03-31"),
    ("2024-03-01", "yyyy-MM-dd", "2024-02-29"),
    ("2024-03-01", "yyyy-MM-dd|-1M", "2024-01-29"),
    ("2024-03-01", "yyyy-MM-dd|-1y", "2023-02-28"),
    ("2024-03-01", "yyyy-MM-dd|+1d", "2024-03-01"),
    ("2023-03-01", "yyyy-MM-dd", "2023-02-28"),
    ("2023-03-01", "yyyy-MM-dd|-1M", "2023-01-28"),
    ("2023-03-01", "yyyy-MM-dd|-1y", "2022-02-28"),
    ("2023-03-01", "yyyy-MM-dd|+1d", "2023-03-01"),
    ("2024-01-01 02:00", "yyyy-MM-dd", "2023-12-31"),
    ("2024-01-01 02:00", "yyyy-MM-dd|-1M", "2023-11-30"),
    ("2024-01-01 02:00", "yyyy-MM-dd|-1y", "2022-12-31"),
    ("2024-01-01 02:00", "yyyy-MM-dd|+1d", "2024-01-01"),
    ("2021-12-28", "Y", "2022"),
    ("2021-12-27", "Y", "2021"),
    ("2024-12-31", "Y", "2025"),
    ("2023-01-02", "Y", "2023"),
]

FORMATS = [
    # letter by letter: business time, locale, pattern, text
    ("2024-12-31 00:00:00", "zh", "D w W Y", "366 1 6 2025"),
    ("2023-12-31 00:00:00", "zh", "Y-ww", "2023-53"),
    ("2021-08-01 00:00:00", "zh", "D;DD;DDD;y;yy;yyyy", "213;213;213;2021;21;2021"),
    ("2021-01-05 00:00:00", "zh", "D;DD;DDD;M;MM;d;dd;w;ww", "5;05;005;1;01;5;05;2;02"),
    ("2021-01-05 00:00:00", "zh", "H;k;K;h;HH;kk;KK;hh;a", "0;24;0;12;00;24;00;12;上午"),
    ("2021-01-05 12:00:00", "zh", "H;k;K;h;HH;kk;KK;hh;a", "12;12;0;12;12;12;00;12;下午"),
    ("2021-01-05 11:59:00", "en", "a G E EEEE MMM MMMM", "AM AD Tue Tuesday Jan January"),
    ("2021-01-05 23:00:00", "en", "a hh", "PM 11"),
    ("2021-01-05 23:00:00", "zh", "yyyy年M月d日", "2021年1月5日"),
    ("2021-01-05 23:00:00", "zh", "'day' d 'o''clock' ''H''", "day 5 o'clock '23'"),
    ("2021-01-05 23:00:00", "zh", "yyyy'|'MM|+1M", "2021|02"),
    ("2021-01-05 23:00:00", "zh", "[yyyy]{MM}#ｙ", "[2021]{01}#ｙ"),
    ("0009-01-05 23:00:00", "zh", "y;yy;yyyy", "9;09;0009"),
    # a day that a month does not have becomes its last day, after each step
    ("2024-02-29 00:00:00", "zh", "yyyy-MM-dd|+36M+1y", "2028-02-28"),
    ("2024-02-29 00:00:00", "zh", "yyyy-MM-dd|-1d+1M", "2024-03-28"),
    ("2024-01-31 23:30:00", "zh", "yyyy-MM-dd HH:mm|+30m+1M", "2024-03-01 00:00"),
    ("2021-08-11 00:00:00", "zh", "dd|+1d+1d-3d", "10"),
]

WRONG = [
    # pattern, offset, what the message says
    ("", 0, "needs a format"),
    ("|-1d", 0, "needs a format"),
    ("yyyy-MM-dd S", 11, "unknown letter S"),
    ("yyyy-MM-ddThh", 10, "unknown letter T"),
    ("yyyy-MM-ddd", 8, "at most 2 times"),
    ("WW", 0, "at most 1 times"),
    ("yyyy 'until", 5, "not closed"),
    ("''''' d", 0, "not closed"),
    ("yyyy|", 4, "no offset"),
    ("yyyy|1d", 5, "'1d' is no offset"),
    ("yyyy|-d", 5, "'-d' is no offset"),
    ("yyyy|-1d ", 8, "' ' is no offset"),
    ("yyyy|-1D", 5, "'-1D' is no offset"),
    ("yyyy|-1d|-1d", 8, "is no offset"),
    ("yyyy|-１d", 5, "is no offset"),
    ("yyyy|-1234567890d", 5, "at most 8 digits"),
    ("y-" * 1000, 1000, "at most 1000 characters"),
]


def business_time(run_time: str) -> datetime:
    return datetime.fromisoformat(run_time).replace(tzinfo=SHANGHAI) - timedelta(days=1)


@pytest.mark.parametrize(("run_time", "pattern", "text"), DOCUMENTED)
def test_documented(run_time: str, pattern: str, text: str) -> None:
    assert TimePattern.parse(pattern).format(business_time(run_time)) == text


@pytest.mark.parametrize(("time", "locale", "pattern", "text"), FORMATS)
def test_formats(time: str, locale: str, pattern: str, text: str) -> None:
    moment = datetime.fromisoformat(time).replace(tzinfo=SHANGHAI)
    assert TimePattern.parse(pattern).format(moment, locale) == text


def test_java_agrees() -> None:
    assert len(JAVA) > 300
    for zone, time, locale, pattern, text in JAVA:
        moment = datetime.fromisoformat(time).replace(tzinfo=ZoneInfo(zone))
        assert TimePattern.parse(pattern).format(moment, locale) == text, (zone, time, locale, pattern)


@pytest.mark.parametrize(("pattern", "offset", "message"), WRONG)
def test_wrong_patterns(pattern: str, offset: int, message: str) -> None:
    with pytest.raises(PatternError) as caught:
        TimePattern.parse(pattern)
    assert caught.value.offset == offset
    assert message in caught.value.message


def test_every_other_letter_is_unknown() -> None:
    known = "GyYMwWDdEeaHkKhmsz"
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        if letter in known:
            TimePattern.parse(letter)
        else:
            with pytest.raises(PatternError, match=f"unknown letter {letter};"):
                TimePattern.parse(letter)


@pytest.mark.parametrize("offsets", ["-3000y", "+99999M", "+99999999w+99999999w", "-99999999d", "+8000y"])
def test_offsets_that_leave_the_calendar(offsets: str) -> None:
    with pytest.raises(PatternError, match="out of the years 1 to 9999") as caught:
        TimePattern.parse(f"yyyy|{offsets}").format(datetime(2021, 8, 11, tzinfo=SHANGHAI))
    assert caught.value.offset == 5


def test_the_last_week_there_is() -> None:
    assert TimePattern.parse("Y w").format(datetime(9999, 12, 31, tzinfo=SHANGHAI)) == "10000 1"


@pytest.mark.parametrize(
    ("zone", "time", "pattern", "text"),
    [
        # The clock goes from 02:00 to 03:00 on 2024-03-10, and from 02:00 back to 01:00 on 2024-11-03.
        ("America/New_York", "2024-03-10 01:30", "yyyy-MM-dd HH:mm z|+1h", "2024-03-10 02:30 UTC-05:00"),
        ("America/New_York", "2024-03-09 02:30", "yyyy-MM-dd HH:mm|+1d", "2024-03-10 02:30"),
        ("America/New_York", "2024-03-09 12:00", "HH:mm z|+1d", "12:00 UTC-04:00"),
        ("America/New_York", "2024-11-03 00:30", "HH:mm|+2h", "02:30"),
        ("Asia/Kolkata", "2024-11-03 00:30", "z", "UTC+05:30"),
        ("UTC", "2024-11-03 00:30", "z", "UTC+00:00"),
        ("Asia/Shanghai", "1900-01-01 00:00", "z", "UTC+08:05:43"),
    ],
)
def test_offsets_move_the_wall_clock(zone: str, time: str, pattern: str, text: str) -> None:
    moment = datetime.fromisoformat(time).replace(tzinfo=ZoneInfo(zone))
    assert TimePattern.parse(pattern).format(moment) == text


def test_z_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        TimePattern.parse("z").format(datetime(2021, 8, 11))


def test_the_same_text_is_read_once() -> None:
    assert TimePattern.parse("yyyyMMdd|-1d") is TimePattern.parse("yyyyMMdd|-1d")


def test_an_error_survives_the_way_to_another_process() -> None:
    import pickle

    with pytest.raises(PatternError) as caught:
        TimePattern.parse("yyyy S")
    assert pickle.loads(pickle.dumps(caught.value)).offset == 5


moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=st.just(timezone.utc))


@given(moments)
def test_numbers_are_those_of_strftime(moment: datetime) -> None:
    text = TimePattern.parse("MM dd HH hh mm ss DDD e").format(moment)
    assert text == moment.strftime("%m %d %H %I %M %S %j %u")


@given(st.dates(date(2, 1, 1), date(9998, 12, 31)))
def test_weeks_are_those_of_a_calendar_on_the_wall(day: date) -> None:
    moment = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)
    rows = calendar.Calendar(calendar.MONDAY).monthdayscalendar(day.year, day.month)
    assert TimePattern.parse("W").format(moment) == str(
        next(number for number, row in enumerate(rows, 1) if day.day in row)
    )
    sunday = day
    while sunday.weekday() != calendar.SUNDAY:
        sunday += timedelta(days=1)
    week, counted = 1, date(sunday.year, 1, 1)
    while counted != sunday:
        counted += timedelta(days=1)
        week += counted.weekday() == calendar.MONDAY
    assert TimePattern.parse("Y w").format(moment) == f"{sunday.year} {week}"


amounts = st.integers(-5000, 5000)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(4000, 12, 31)),
    st.lists(st.tuples(amounts, st.sampled_from("wdhm")), max_size=4),
    st.integers(-900, 900),
    st.integers(-900, 900),
    st.randoms(use_true_random=False),
)
def test_offsets_are_those_of_pendulum(
    moment: datetime, small: list[tuple[int, str]], years: int, months: int, random: Random
) -> None:
    offsets = [(years, "y"), (months, "M"), *small]
    random.shuffle(offsets)
    expected = pendulum.naive(*moment.timetuple()[:6]).add(years=years).add(months=months)
    for amount, unit in small:
        expected = expected.add(**{{"w": "weeks", "d": "days", "h": "hours", "m": "minutes"}[unit]: amount})
    text = "".join(f"{amount:+}{unit}" for amount, unit in offsets)
    pattern = TimePattern.parse(f"yyyy-MM-dd HH:mm:ss|{text}")
    assert pattern.format(moment.replace(tzinfo=SHANGHAI)) == expected.strftime("%Y-%m-%d %H:%M:%S")


@given(st.text(min_size=1, max_size=50))
def test_quoted_text_stands_for_itself(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    assert TimePattern.parse(f"d{quoted}d").format(datetime(2021, 8, 11)) == f"11{text}11"


@given(st.text(alphabet="yMdS'|+-1 wm年", max_size=20))
def test_any_text_is_a_pattern_or_an_error_with_a_place(text: str) -> None:
    try:
        offset = len(TimePattern.parse(text).text)
    except PatternError as error:
        offset = error.offset
    assert 0 <= offset <= len(text)
