"""CSV as other programs read it."""

from __future__ import annotations

import csv
import io
import uuid
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_provider.unload.csv import UnwritableCell, header_line, lines


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        (None, ""),
        ("", '""'),
        ("a b", "a b"),
        ("a,b", '"a,b"'),
        ('say "hi"', '"say ""hi"""'),
        ("two\nlines", '"two\nlines"'),
        ("航班", "航班"),
        ("007", "007"),
        (12345678901234567890123, "12345678901234567890123"),
        (True, "true"),
        (False, "false"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.000000100"), "-0.000000100"),
        (Decimal("NaN"), "NaN"),
        (1e300, "1" + "0" * 300),
        (0.1, "0.1"),
        (2.0, "2"),
        (float("inf"), "inf"),
        (date(2023, 8, 3), "2023-08-03"),
        (datetime(2023, 8, 3), "2023-08-03 00:00:00"),
        (datetime(2023, 8, 3, 1, 2, 3, 45), "2023-08-03 01:02:03.000045"),
        (datetime(2023, 8, 3, 1, tzinfo=timezone(timedelta(hours=8))), "2023-08-03 01:00:00+08:00"),
        (time(1, 2, 3), "01:02:03"),
        (timedelta(days=2, hours=3, microseconds=5), "51:00:00.000005"),
        (-timedelta(minutes=1, microseconds=1), "-00:01:00.000001"),
        (b"\x00\xff", "00ff"),
        pytest.param(memoryview(b"A"), "41", id="memoryview"),
        ([1, "二", None], '"[1, ""二"", null]"'),
        ({"d": Decimal("1.10")}, '"{""d"": ""1.10""}"'),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
    ids=repr,
)
def test_how_a_value_is_written(cell: Any, written: str) -> None:
    assert lines([(cell, 1)], ("a", "b"), 0).decode() == f"{written},1\r\n"


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.integers()), max_size=20))
def test_what_a_reader_of_csv_gets_back(rows: list[tuple[str, int]]) -> None:
    data = header_line(("text", 'a "number"')) + lines(rows, ("text", "number"), 0)
    read = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
    assert read == [["text", 'a "number"'], *([text, str(number)] for text, number in rows)]


def test_half_a_character_is_named_by_its_place() -> None:
    with pytest.raises(UnwritableCell, match=r"^row 12, column name: half of a character"):
        lines([(1, "a"), (2, "b\ud800")], ("id", "name"), 10)
