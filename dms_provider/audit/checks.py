"""What a rule of an audit asks of its value, and whether a value is that.

Source: flow-spec, *audit*; DMS reference, section 1.8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Literal, cast

from dms_provider.messages import shortened
from dms_provider.variables.output_types import is_number
from dms_provider.variables.references import Reference, UndefinedVariable, parse_references
from dms_provider.variables.values import Value

Operator = Literal["==", "!=", ">", ">=", "<", "<="]
Operand = Decimal | str
"""A number, or text that is one reference ``${name}``."""

_OPERAND = r"-?\d+(?:\.\d+)?|\$\{[A-Za-z0-9_.]+\}"
_COMPARISON = re.compile(rf"\s*(==|!=|>=|<=|>|<)\s*({_OPERAND})\s*", re.ASCII)
_BETWEEN = re.compile(rf"\s*between\s+({_OPERAND})\s+and\s+({_OPERAND})\s*", re.ASCII)
_WITHIN = re.compile(r"\s*within\s+(\d+(?:\.\d+)?)\s*%\s+of\s+last\s+([1-9]\d{0,3})\s*", re.ASCII)
_NEARLY = re.compile(rf"\s*(=|=>|=<|<>)\s*({_OPERAND})\s*", re.ASCII)
_MEANT = {"=": "==", "=>": ">=", "=<": "<=", "<>": "!="}
_SHOWN_DIGITS = 12


class WrongCheck(ValueError):
    """A check cannot be read, or cannot be asked with the values that it refers to.

    :param suggestion: what was probably meant
    """

    def __init__(self, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class Comparison:
    """``<= 100``"""

    text: str
    operator: Operator
    operand: Operand


@dataclass(frozen=True, slots=True)
class Between:
    """``between 1 and 5``, both inclusive."""

    text: str
    low: Operand
    high: Operand


@dataclass(frozen=True, slots=True)
class WithinRecent:
    """``within 20% of last 7``: near the mean of the rule's values at the newest earlier business times.

    :param percent: of the mean
    :param last: how many values make the mean
    """

    text: str
    percent: Decimal
    last: int


Check = Comparison | Between | WithinRecent


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a value is what its rule asks for.

    :param passed: it is
    :param bound: what the value was compared with, for people
    :param note: what else there is to say about it
    :param beyond: where the value is and should not be, as ``(">", 100)``; ``None`` where there is no such
        side
    """

    passed: bool
    bound: str
    note: str | None = None
    beyond: tuple[str, Decimal] | None = None


def parse_check(text: str) -> Check:
    """Return what a check means.

    :raises WrongCheck: it cannot be read
    """
    if match := _COMPARISON.fullmatch(text):
        return Comparison(text, cast(Operator, match[1]), _operand(match[2]))
    if match := _BETWEEN.fullmatch(text):
        return _in_order(Between(text, _operand(match[1]), _operand(match[2])))
    if match := _WITHIN.fullmatch(text):
        return WithinRecent(text, Decimal(match[1]), int(match[2]))
    loose = _NEARLY.fullmatch(text)
    raise WrongCheck(
        f"{_quoted(text)} is no check; write '<= 100', 'between 1 and 5', '== ${{expected}}' or "
        "'within 20% of last 7'",
        suggestion=f"{_MEANT[loose[1]]} {loose[2]}" if loose else None,
    )


def check_names(check: Check) -> set[str]:
    """Return the names that a check refers to."""
    return {
        segment.name
        for operand in _operands(check)
        if isinstance(operand, str)
        for segment in parse_references(operand)
        if isinstance(segment, Reference)
    }


def with_values(check: Check, values: Mapping[str, Value]) -> Check:
    """Return a check with numbers in the place of its references.

    :param values: of :func:`check_names`
    :raises WrongCheck: a value is no number
    :raises UndefinedVariable: a name has no value
    """
    if isinstance(check, Comparison):
        return replace(check, operand=_number(check.operand, values))
    if isinstance(check, Between):
        low, high = _number(check.low, values), _number(check.high, values)
        return _in_order(replace(check, low=low, high=high))
    return check


def judge(value: Decimal | None, check: Check, earlier: Sequence[Decimal] = ()) -> Judgement:
    """Return whether a value is what its rule asks for.

    :param value: of the rule; ``None`` where there is none, which is never what a rule asks for
    :param check: with numbers in the place of references
    :param earlier: the rule's values at the newest earlier business times, the newest first
    """
    if isinstance(check, WithinRecent):
        return _near_the_mean(value, check, earlier)
    if isinstance(check, Between):
        low, high = cast(Decimal, check.low), cast(Decimal, check.high)
        bound = f"between {exact(low)} and {exact(high)}"
        passed = value is not None and not value.is_nan() and low <= value <= high
        return Judgement(passed, bound, beyond=None if passed else _beyond(value, low, high))
    operand = cast(Decimal, check.operand)
    bound = f"{check.operator} {exact(operand)}"
    passed = value is not None and not value.is_nan() and _compare(value, check.operator, operand)
    beyond = None if passed or check.operator == "!=" else _beyond(value, operand, operand, check.operator)
    return Judgement(passed, bound, beyond=beyond)


def exact(number: Decimal) -> str:
    """Return a number with all its digits, and without an exponent."""
    text = format(number, "f") if number.is_finite() else str(number)
    return text.rstrip("0").rstrip(".") if "." in text else text


def shown(number: Decimal | None) -> str:
    """Return a number as people read it: with no more digits behind the point than help."""
    if number is None:
        return "no value"
    if not number.is_finite():
        return str(number)
    whole = max(number.adjusted() + 1, 1)
    places = max(_SHOWN_DIGITS - whole, 4)
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > places:
        with localcontext() as wide:
            wide.prec = whole + places + 1
            return f"about {exact(round(number, places))}"
    return exact(number)


def _near_the_mean(value: Decimal | None, check: WithinRecent, earlier: Sequence[Decimal]) -> Judgement:
    newest = earlier[: check.last]
    if len(newest) < check.last:
        found = "no earlier value" if not newest else f"{len(newest)} earlier value{'s'[: len(newest) > 1]}"
        note = f"{found} yet, and the rule compares with {check.last}: not judged"
        return Judgement(value is not None and not value.is_nan(), check.text.strip(), note)
    total = sum(map(Fraction, newest), Fraction())
    mean = total / check.last
    away = Fraction(check.percent) / 100 * abs(mean)
    low, high = _decimal(mean - away), _decimal(mean + away)
    bound = f"within {exact(check.percent)}% of {shown(_decimal(mean))}, the mean of the last {check.last}"
    if mean == 0:
        bound = f"exactly 0, the mean of the last {check.last}"
    passed = value is not None and value.is_finite() and abs(Fraction(value) - mean) <= away
    return Judgement(
        passed,
        bound,
        note=None if mean == 0 else f"from {shown(low)} to {shown(high)}",
        beyond=None if passed else _beyond(value, low, high),
    )


def _beyond(
    value: Decimal | None, low: Decimal, high: Decimal, operator: str = "=="
) -> tuple[str, Decimal] | None:
    if value is None or value.is_nan():
        return None
    if value > high or (value == high and operator == "<"):
        return (">=" if operator == "<" else ">"), high
    return ("<=" if operator == ">" else "<"), low


def _decimal(number: Fraction) -> Decimal:
    return Decimal(number.numerator) / Decimal(number.denominator)


def _compare(value: Decimal, operator: Operator, operand: Decimal) -> bool:
    return {
        "==": value == operand,
        "!=": value != operand,
        ">": value > operand,
        ">=": value >= operand,
        "<": value < operand,
        "<=": value <= operand,
    }[operator]


def _quoted(text: str) -> str:
    return "'" + shortened(text).replace("\n", " ").strip() + "'"


def _operand(text: str) -> Operand:
    return text if text.startswith("$") else Decimal(text)


def _operands(check: Check) -> tuple[Operand, ...]:
    if isinstance(check, Comparison):
        return (check.operand,)
    return (check.low, check.high) if isinstance(check, Between) else ()


def _number(operand: Operand, values: Mapping[str, Value]) -> Decimal:
    if isinstance(operand, Decimal):
        return operand
    name = operand[2:-1]
    value = values.get(name)
    if value is None:
        raise UndefinedVariable(name)
    text = value.text.strip()
    if not is_number(text):
        secret = getattr(value, "secret", False)
        what = "the secret" if secret else f"its value {text[:60]!r}"
        raise WrongCheck(f"${{{name}}} must be a number to be compared with, and {what} is none")
    return Decimal(text)


def _in_order(check: Between) -> Between:
    low, high = check.low, check.high
    if isinstance(low, Decimal) and isinstance(high, Decimal) and low > high:
        raise WrongCheck(f"nothing lies between {low} and {high}; write the smaller number first")
    return check
