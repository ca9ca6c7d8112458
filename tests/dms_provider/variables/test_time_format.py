from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_provider.variables.time_format import PointInTime, TimeFormat, TimeFormatError

SHANGHAI = "Asia/Shanghai"


@pytest.mark.parametrize(
    ("written", "text", "has_zone"),
    [
        ("2023-08-03", "2023-08-03", False),
        (" 2023-08-03 00:00:00\n", "2023-08-03 00:00:00", False),
        ("2023-08-03T04:05", "2023-08-03 04:05", False),
        ("2023-08-03 04:05:06.789", "2023-08-03 04:05:06.789", False),
        ("2023-08-03T04:05:06Z", "2023-08-03 04:05:06+00:00", True),
        ("2023-08-03 04:05:06+0800", "2023-08-03 04:05:06+0800", True),
        ("20230803", "20230803", False),
        ("-1.5", "-1.5", False),
    ],
)
def test_a_column_of_the_databases_own_type(written: str, text: str, has_zone: bool) -> None:
    assert TimeFormat.parse(None).point(written, SHANGHAI) == PointInTime(text, False, has_zone)


@pytest.mark.parametrize(
    ("time_format", "since", "text"),
    [
        ("epoch", "2023-08-03 08:00:00", "1691020800"),
        ("epoch", "2023-08-03T00:00:00Z", "1691020800"),
        ("epoch", "2023-08-03", "1690992000"),
        ("epoch", "1969-12-31 23:59:59Z", "-1"),
        ("epoch", "1691020800", "1691020800"),
        ("epoch_ms", "2023-08-03 08:00:00.25", "1691020800250"),
        ("epoch_ms", "1691020800250", "1691020800250"),
        ("yyyyMMdd", "2023-08-03", "20230803"),
        ("yyyyMMdd", "2023-08-02T18:00:00Z", "20230803"),
        ("yyyy/MM/dd'T'HH.mm.ss", "2023-08-03 04:05:06", "2023/08/03T04.05.06"),
        ("yyyyDDD", "2023-02-01", "2023032"),
        ("yy-MM", "2023-08-03", "23-08"),
    ],
)
def test_a_column_with_a_format(time_format: str, since: str, text: str) -> None:
    point = TimeFormat.parse(time_format).point(since, SHANGHAI)
    assert (point.text, point.is_number) == (text, time_format.startswith("epoch"))


@pytest.mark.parametrize("time_format", [None, "epoch", "yyyyMMdd"])
@pytest.mark.parametrize(
    "since",
    ["", "  ", "yesterday", "2023-02-30", "2023-8-3", "2023-08-03 25:00", "12:30", "2023-08-03' OR 1=1 --"],
)
def test_what_is_no_point_in_time(time_format: str | None, since: str) -> None:
    with pytest.raises(TimeFormatError, match=r"^since is .*, which is no point in time; write yyyy-MM-dd"):
        TimeFormat.parse(time_format).point(since, SHANGHAI)


def test_what_a_column_cannot_hold() -> None:
    with pytest.raises(TimeFormatError, match="no such fractions"):
        TimeFormat.parse("epoch").point("2023-08-03 00:00:00.5", SHANGHAI)
    with pytest.raises(TimeFormatError, match="no point in time"):
        TimeFormat.parse("yyyyMMdd").point("20230803", SHANGHAI)


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("ddMMyyyy", 0, "do not sort"),
        ("yyyyMMDD", 0, "do not sort"),
        ("yyyy-M-d", 0, "do not sort"),
        ("yyyyMMdd hh:mm a", 0, "do not sort"),
        ("MM", 0, "do not sort"),
        ("yyyyMMMdd", 0, "do not sort"),
        ("yyyyMMdd|-1d", 8, "takes no offset"),
        ("yyyy'", 4, "quote is not closed"),
        ("yyyyQ", 4, "unknown letter Q"),
        ("", 0, "needs a format"),
    ],
)
def test_patterns_that_no_database_can_compare(text: str, offset: int, message: str) -> None:
    with pytest.raises(TimeFormatError, match=message) as caught:
        TimeFormat.parse(text)
    assert caught.value.offset == offset


SORTED = ["yyyyMMddHHmmss", "yyyy-MM-dd HH:mm", "yyyyDDDHH", "yyyy'|'MM", "yyyyMMdd", "epoch", "epoch_ms"]
TIMES = st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30)).map(
    lambda time: time.replace(microsecond=0)
)


@given(st.sampled_from(SORTED), TIMES, TIMES)
def test_points_compare_as_the_times_do(time_format: str, one: datetime, other: datetime) -> None:
    format_ = TimeFormat.parse(time_format)
    first, second = (format_.point(str(time), "UTC") for time in (one, other))
    if format_.kind == "pattern":
        assert len(first.text) == len(second.text)
        assert (first.text < second.text) <= (one < other)
    else:
        assert (int(first.text) < int(second.text)) == (one < other)


@given(TIMES, st.sampled_from([SHANGHAI, "America/New_York", "UTC"]))
def test_seconds_since_1970(time: datetime, zone: str) -> None:
    moment = time.replace(tzinfo=ZoneInfo(zone))
    seconds = (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(seconds=1)
    assert TimeFormat.parse("epoch").point(str(time), zone).text == str(seconds)
