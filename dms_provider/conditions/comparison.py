"""How two values of a condition compare.

Source: flow-spec, *conditional_branch*: a variable whose value reads as a decimal number is a number beside a
number or numeric text; two quoted texts compare as text; ordering a number against other text fails the node.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dms_provider.conditions.errors import ConditionError
from dms_provider.conditions.syntax import Comparison, Membership, Number, Operand, QuotedText
from dms_provider.messages import shortened
from dms_provider.variables.values import AuthorText, Value

_DECIMAL_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class _Known:
    """An operand and its value in one run.

    :param number: the value, where it reads as a decimal number
    :param secret: the value must not be shown
    """

    operand: Operand
    text: str
    number: Decimal | None
    secret: bool

    def __str__(self) -> str:
        value = "a secret" if self.secret else repr(shortened(self.text))
        if isinstance(self.operand, Number):
            return self.operand.text
        if isinstance(self.operand, QuotedText):
            return value
        return f"${{{self.operand.name}}} ({value})"


def compare(comparison: Comparison, values: Mapping[str, Value]) -> bool:
    """Return whether a comparison holds.

    :param values: value of each variable in it
    :raises ConditionError: a number is ordered against text that is none
    """
    left = _known(comparison.left, values)
    right = _known(comparison.right, values)
    if comparison.operator == "contains":
        return right.text in left.text
    holds = _OPERATORS[comparison.operator]
    both_quoted = isinstance(left.operand, QuotedText) and isinstance(right.operand, QuotedText)
    if left.number is not None and right.number is not None and not both_quoted:
        return holds(left.number, right.number)
    if comparison.operator in ("==", "!=") or both_quoted or (left.number is None and right.number is None):
        return holds(left.text, right.text)
    text, number = (left, right) if left.number is None else (right, left)
    raise ConditionError(
        f"{text} is no decimal number, so it cannot be ordered against {number}",
        comparison.offset,
    )


def is_member(membership: Membership, values: Mapping[str, Value]) -> bool:
    """Return whether the operand equals one of the choices, as ``==`` has it.

    :param values: value of each variable in it
    """
    return any(
        compare(Comparison(membership.operand, "==", choice, membership.offset), values)
        for choice in membership.choices
    )


def _known(operand: Operand, values: Mapping[str, Value]) -> _Known:
    if isinstance(operand, Number):
        return _Known(operand, operand.text, operand.value, secret=False)
    secret = False
    text = ""
    for segment in operand.segments if isinstance(operand, QuotedText) else (operand,):
        if isinstance(segment, str):
            text += segment
            continue
        value = values[segment.name]
        text += value.text
        secret = secret or (isinstance(value, AuthorText) and value.secret)
    number = Decimal(text) if _DECIMAL_NUMBER.fullmatch(text) else None
    return _Known(operand, text, number, secret)
