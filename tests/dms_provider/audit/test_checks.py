"""What a check means, beside arithmetic in fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_provider.audit.checks import WrongCheck, check_names, judge, parse_check, shown, with_values
from dms_provider.variables.references import UndefinedVariable
from dms_provider.variables.values import AuthorText, Data

NUMBERS = st.decimals(min_value=-(10**9), max_value=10**9, places=3)
COMPARE = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


@given(NUMBERS, st.sampled_from(sorted(COMPARE)), NUMBERS)
def test_comparisons(value: Decimal, operator: str, bound: Decimal) -> None:
    assert judge(value, parse_check(f"{operator} {bound:f}")).passed == COMPARE[operator](value, bound)
    assert judge(bound, parse_check(f"{operator} {bound:f}")).passed == COMPARE[operator](bound, bound)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_between_holds_both_ends(value: Decimal, one: Decimal, other: Decimal) -> None:
    low, high = sorted((one, other))
    check = parse_check(f"between {low:f} and {high:f}")
    assert judge(value, check).passed == (low <= value <= high)
    assert judge(low, check).passed
    assert judge(high, check).passed


@given(NUMBERS, st.decimals(min_value=0, max_value=300, places=2), st.lists(NUMBERS, max_size=9))
def test_within_the_mean_of_earlier_values(value: Decimal, percent: Decimal, earlier: list[Decimal]) -> None:
    last = 4
    judgement = judge(value, parse_check(f"within {percent:f}% of last {last}"), earlier)
    if len(earlier) < last:
        assert judgement.passed
        assert "not judged" in str(judgement.note)
        return
    mean = sum(Fraction(number) for number in earlier[:last]) / last
    assert judgement.passed == (abs(Fraction(value) - mean) <= Fraction(percent) / 100 * abs(mean))


@pytest.mark.parametrize(
    ("value", "earlier", "passed"),
    [
        ("120", ["100", "90", "110"], True),
        ("120.001", ["100", "90", "110"], False),
        ("80", ["100", "90", "110"], True),
        ("0", ["0", "0", "0"], True),
        ("0.0001", ["0", "0", "0"], False),
        ("0", ["5", "-5", "0"], True),
        ("-12", ["-10", "-10", "-10"], True),
        ("-12.1", ["-10", "-10", "-10"], False),
        ("0.3", ["0.1", "0.2", "0.6"], True),
        ("1000", ["1", "1"], True),
    ],
)
def test_within_by_hand(value: str, earlier: list[str], passed: bool) -> None:
    found = judge(Decimal(value), parse_check("within 20% of last 3"), [Decimal(text) for text in earlier])
    assert found.passed is passed


@pytest.mark.parametrize(
    "check", ["<= 100", "!= 5", "between -1 and 1", "within 20% of last 1", "within 20% of last 2"]
)
def test_no_value_is_never_right(check: str) -> None:
    for value in (None, Decimal("NaN")):
        assert not judge(value, parse_check(check), [Decimal(1)]).passed


def test_exact_decimals() -> None:
    assert judge(Decimal("0.1") + Decimal("0.2"), parse_check("== 0.3")).passed
    assert not judge(Decimal("12345678901234567890.01"), parse_check("== 12345678901234567890.02")).passed


@pytest.mark.parametrize(
    ("value", "check", "beyond"),
    [
        ("101", "<= 100", (">", 100)),
        ("100", "< 100", (">=", 100)),
        ("99", ">= 100", ("<", 100)),
        ("100", "> 100", ("<=", 100)),
        ("7", "between 1 and 5", (">", 5)),
        ("0", "between 1 and 5", ("<", 1)),
        ("6", "== 5", (">", 5)),
        ("5", "!= 5", None),
        ("5", "== 5", None),
    ],
)
def test_where_a_broken_value_is(value: str, check: str, beyond: tuple[str, int] | None) -> None:
    assert judge(Decimal(value), parse_check(check)).beyond == beyond


def test_references_take_numbers() -> None:
    check = parse_check("between ${low} and ${high}")
    assert check_names(check) == {"low", "high"}
    values = {"low": AuthorText("1"), "high": Data((" 2.50 ",))}
    assert judge(Decimal("2.5"), with_values(check, values)).bound == "between 1 and 2.5"
    with pytest.raises(WrongCheck, match="write the smaller number first"):
        with_values(check, {**values, "high": AuthorText("0")})
    with pytest.raises(WrongCheck, match="its value 'many' is none"):
        with_values(check, {**values, "high": Data(("many",))})
    with pytest.raises(WrongCheck) as refused:
        with_values(check, {**values, "high": AuthorText("s3cret", secret=True)})
    assert "s3cret" not in str(refused.value)
    with pytest.raises(UndefinedVariable, match="low"):
        with_values(check, {})


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("336776", "336776"),
        ("0.010", "0.01"),
        ("100", "100"),
        ("1E+3", "1000"),
        ("0.6666666666666666666667", "about 0.66666666667"),
        ("12345678901234567890123456789.12345678", "about 12345678901234567890123456789.1235"),
        ("NaN", "NaN"),
        (None, "no value"),
    ],
)
def test_numbers_for_people(number: str | None, text: str) -> None:
    assert shown(None if number is None else Decimal(number)) == text
