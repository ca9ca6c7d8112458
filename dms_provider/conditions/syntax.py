"""The parts that a condition is made of. Every part knows where it stands in the condition's text."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from dms_provider.variables.references import Segments

STATES = frozenset({"all_success", "one_success", "all_failed", "one_failed", "all_done"})
"""Words for the states of the direct upstream nodes (DMS reference, section 3)."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as the author wrote it."""

    text: str
    value: Decimal
    offset: int


@dataclass(frozen=True, slots=True)
class QuotedText:
    """Text in quotes. References in it are replaced, and the whole stays quoted text.

    :param segments: what stands between the quotes
    """

    segments: Segments
    offset: int


@dataclass(frozen=True, slots=True)
class Variable:
    """A ``${name}`` outside of quotes."""

    name: str
    offset: int


Operand = Number | QuotedText | Variable
"""What can be compared."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two operands and one of ``== != > >= < <= contains``."""

    left: Operand
    operator: str
    right: Operand
    offset: int


@dataclass(frozen=True, slots=True)
class Membership:
    """An operand that has to equal one of several: ``x in ('a', 'b')``."""

    operand: Operand
    choices: tuple[Operand, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class State:
    """One of :data:`STATES`."""

    word: str
    offset: int


@dataclass(frozen=True, slots=True)
class Not:
    """True where its part is false."""

    part: Part
    offset: int


@dataclass(frozen=True, slots=True)
class AllOf:
    """True where all its parts are."""

    parts: tuple[Part, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True where one of its parts is."""

    parts: tuple[Part, ...]
    offset: int


Part = Comparison | Membership | State | Not | AllOf | AnyOf
"""What is true or false."""

Leaf = Variable | QuotedText | State
"""What depends on the run."""
