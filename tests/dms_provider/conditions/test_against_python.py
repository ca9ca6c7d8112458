"""Conditions against Python: each is written in both languages at once, and Python itself reads its side.

Python's ``not``, ``and`` and ``or`` bind as ``!``, ``&&`` and ``||`` do, and stop as early.
"""

from __future__ import annotations

from decimal import Decimal
from functools import total_ordering
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_provider.conditions import ConditionError, parse_condition
from dms_provider.variables.values import Data


class BothWays(NamedTuple):
    """One condition, or a part of it, in our language and in Python."""

    ours: str
    python: str


class NotComparable(Exception):
    """Python's side of a node that fails."""


@total_ordering
class Operand:
    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        self.text = text
        digits = text[1:] if text[:1] == "-" else text
        plain = digits.replace(".", "", 1)
        self.is_number = plain != "" and all(character in "0123456789" for character in plain)

    def both(self, other: Operand, *, ordered: bool) -> tuple[Any, Any]:
        if self.kind == other.kind == "quoted":
            return self.text, other.text
        if self.is_number and other.is_number:
            return Decimal(self.text), Decimal(other.text)
        if ordered and self.is_number != other.is_number:
            raise NotComparable
        return self.text, other.text

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Operand)
        one, two = self.both(other, ordered=False)
        return bool(one == two)

    def __lt__(self, other: Operand) -> bool:
        one, two = self.both(other, ordered=True)
        return bool(one < two)

    __hash__ = None  # type: ignore[assignment] # equality of mixed kinds is not transitive

    def contains(self, other: Operand) -> bool:
        return self.text.find(other.text) >= 0


VALUES = {
    "n": "5",
    "m": "-3.50",
    "big": "123456789012345678901234567890",
    "t": "abc",
    "e": "",
    "d": "2021-08-11",
    "q": "it's",
    "dot": ".",
    "minus": "-",
    "half": ".5",
    "x": "1e3",
    "injected": "1 == 1 || '",
}
numbers = st.decimals(-1000, 1000, places=2).map(str) | st.integers(-9, 9).map(str)
words = st.sampled_from([*VALUES.values(), "5.0", "05", "-3.5", "b", "0"]) | st.text("ab5.-'\"", max_size=3)


def quoted(text: str, sign: str) -> BothWays:
    return BothWays(sign + text.replace(sign, sign * 2) + sign, f"Operand('quoted', {text!r})")


operands = st.one_of(
    numbers.map(lambda text: BothWays(text, f"Operand('number', {text!r})")),
    st.builds(quoted, words, st.sampled_from("'\"")),
    st.sampled_from(sorted(VALUES)).map(
        lambda n: BothWays(f"${{{n}}}", f"Operand('variable', {VALUES[n]!r})")
    ),
    st.sampled_from(sorted(VALUES)).map(
        lambda n: BothWays(f"'<${{{n}}}>'", f"Operand('quoted', {f'<{VALUES[n]}>'!r})")
    ),
)
STATES = {"all_success": True, "one_success": True, "all_failed": False, "one_failed": True, "all_done": True}


def member(operand: BothWays, choices: list[BothWays]) -> BothWays:
    ours = ",".join(choice.ours for choice in choices)
    python = "".join(f"{choice.python}, " for choice in choices)
    return BothWays(f"{operand.ours} in ({ours})", f"{operand.python} in ({python})")


simple = st.one_of(
    st.tuples(operands, st.sampled_from(["==", "!=", ">", ">=", "<", "<="]), operands).map(
        lambda part: BothWays(
            f"{part[0].ours}{part[1]}{part[2].ours}", f"{part[0].python} {part[1]} {part[2].python}"
        )
    ),
    st.tuples(operands, operands).map(
        lambda part: BothWays(
            f"{part[0].ours} contains {part[1].ours}", f"{part[0].python}.contains({part[1].python})"
        )
    ),
    st.builds(member, operands, st.lists(operands, min_size=1, max_size=3)),
    st.sampled_from(sorted(STATES)).map(lambda word: BothWays(word, str(STATES[word]))),
)


def larger(parts: st.SearchStrategy[BothWays]) -> st.SearchStrategy[BothWays]:
    def joined(ours: str, python: str) -> st.SearchStrategy[BothWays]:
        return st.lists(parts, min_size=2, max_size=3).map(
            lambda some: BothWays(ours.join(p.ours for p in some), python.join(p.python for p in some))
        )

    return st.one_of(
        joined(" && ", " and "),
        joined("||", " or "),
        parts.map(lambda part: BothWays(f"!{part.ours}", f"not {part.python}")),
        parts.map(lambda part: BothWays(f"({part.ours})", f"({part.python})")),
    )


@given(st.recursive(simple, larger, max_leaves=12))
def test_python_agrees(condition: BothWays) -> None:
    values = {name: Data((text,)) for name, text in VALUES.items()}
    read = parse_condition(condition.ours)
    try:
        expected = eval(condition.python, {"Operand": Operand})
    except NotComparable:
        with pytest.raises(ConditionError, match="cannot be ordered"):
            read.evaluate(values, STATES)
    else:
        assert read.evaluate(values, STATES) is expected


@given(
    st.text("a1.-${}'\"()=!<>&|, \n", max_size=30)
    | st.recursive(simple, larger, max_leaves=6).map(lambda c: c.ours[1:])
)
def test_any_text_is_a_condition_or_an_error_with_a_place(text: str) -> None:
    try:
        offset = len(parse_condition(text).text)
    except ConditionError as error:
        offset = error.offset
    assert 0 <= offset <= len(text)
