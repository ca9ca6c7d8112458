from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_provider.operators.cells import CellError, cell_text, check_type
from dms_provider.variables.values import OutputType


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, None),
        ("007", "007"),
        (True, "true"),
        (7, "7"),
        (1.5, "1.5"),
        (5.0, "5"),
        (1e-7, "0.0000001"),
        (1e22, "10000000000000000000000"),
        (float("nan"), "nan"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1.50"), "1.50"),
        (Decimal("NaN"), "NaN"),
        (date(2021, 8, 12), "2021-08-12 00:00:00"),
        (datetime(2021, 8, 12, 1, 2, 3, 999_999), "2021-08-12 01:02:03"),
        (datetime(2021, 8, 12, 1, 2, 3, tzinfo=timezone(timedelta(hours=8))), "2021-08-12 01:02:03"),
        (time(1, 2, 3), "01:02:03"),
        (timedelta(hours=100, seconds=5), "100:00:05"),
        (-timedelta(hours=1, seconds=30), "-01:00:30"),
        ("飞行".encode(), "飞行"),
        ({"a": [1, None]}, '{"a": [1, null]}'),
        ([Decimal("1.5")], '["1.5"]'),
    ],
)
def test_cells_as_text(cell: Any, text: str | None) -> None:
    assert cell_text(cell) == text


def test_long_integers_as_text() -> None:
    assert cell_text(10**5000) == "1" + "0" * 5000


@pytest.mark.parametrize("cell", [b"\xff\xfe", b"\x01", "a\0b", b"a\0"])
def test_binary_cells_are_refused(cell: Any) -> None:
    with pytest.raises(CellError):
        cell_text(cell)


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        (
            "number",
            ["1", "-1.5", ".5", "5.", None, "1" * 65],
            ["", "1e5", "+1", "--1", "1 ", "１", "1" * 66, "NaN"],
        ),
        (
            "date",
            ["2021-08-12", "2021-08-12 23:59:59", None],
            ["2021-8-12", "2021-02-30", "2021-08-12T00:00:00", ""],
        ),
        ("identifier", ["t_2021", "A" * 64], ["a-b", "", "A" * 65, "名", "a\n", None]),
    ],
)
def test_types(type_: OutputType, good: list[str | None], bad: list[str | None]) -> None:
    for text in good:
        check_type(text, type_)
    for text in bad:
        with pytest.raises(CellError):
            check_type(text, type_)


@given(
    st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False, places=9)
)
def test_numbers_are_plain_and_exact(number: float | Decimal) -> None:
    text = cell_text(number)
    assert text is not None
    assert set(text) <= set("-0123456789.")
    assert type(number)(text) == number
