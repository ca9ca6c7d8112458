"""What a rule of an audit asks of its value.

Source: flow-spec, *Node types*, ``audit``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from dag_factory.spec.model import refusal
from dag_factory.spec.scalars import found_words, need_text

Operator = Literal["==", "!=", ">", ">=", "<", "<="]
Operand = Decimal | str
"""A number, or text that is one reference ``${name}``."""

_OPERAND = r"-?\d+(?:\.\d+)?|\$\{[A-Za-z0-9_.]+\}"
_COMPARISON = re.compile(rf"\s*(==|!=|>=|<=|>|<)\s*({_OPERAND})\s*")
_BETWEEN = re.compile(rf"\s*between\s+({_OPERAND})\s+and\s+({_OPERAND})\s*")
_WITHIN = re.compile(r"\s*within\s+(\d+(?:\.\d+)?)\s*%\s+of\s+last\s+([1-9]\d{0,3})\s*")


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


def parse_check(value: Any) -> Check:
    """Return what a ``check`` means.

    :raises PydanticCustomError: it cannot be read
    """
    if isinstance(value, (Comparison, Between, WithinRecent)):
        return value
    text = need_text(value, "a check such as '<= 100'")
    if match := _COMPARISON.fullmatch(text):
        return Comparison(text, match[1], _operand(match[2]))  # type: ignore[arg-type]  # see pattern
    if match := _BETWEEN.fullmatch(text):
        low, high = _operand(match[1]), _operand(match[2])
        if isinstance(low, Decimal) and isinstance(high, Decimal) and low > high:
            raise refusal(f"nothing lies between {match[1]} and {match[2]}; write the smaller number first")
        return Between(text, low, high)
    if match := _WITHIN.fullmatch(text):
        return WithinRecent(text, Decimal(match[1]), int(match[2]))
    suggestion = None
    if loose := re.fullmatch(rf"\s*(=|=>|=<|<>)\s*({_OPERAND})\s*", text):
        meant = {"=": "==", "=>": ">=", "=<": "<=", "<>": "!="}[loose[1]]
        suggestion = f"{meant} {loose[2]}"
    raise refusal(
        f"{found_words(text)} is no check; write '<= 100', 'between 1 and 5', '== ${{expected}}' or "
        "'within 20% of last 7'",
        suggestion=suggestion,
    )


def _operand(text: str) -> Operand:
    return text if text.startswith("$") else Decimal(text)
