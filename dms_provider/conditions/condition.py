"""A condition of a conditional branch, read and checked.

Source: flow-spec, *conditional_branch*; DMS reference, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dms_provider.conditions.comparison import compare, is_member
from dms_provider.conditions.errors import ConditionError
from dms_provider.conditions.parser import parse
from dms_provider.conditions.syntax import AllOf, Comparison, Leaf, Membership, Not, Part, State, Variable
from dms_provider.variables.references import Reference
from dms_provider.variables.values import Value


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition. Make one with :func:`parse_condition`.

    A reference inside of quoted text is replaced by its value, and the whole compares as quoted text: with
    ``n`` 1.0, ``${n} == 1`` is true and ``'${n}' == '1'`` is false. A NULL is the empty text, a list is its
    joined text.

    :param text: the condition as its author wrote it
    :param names: the variables that it names
    :param states: the states of upstream nodes that it names
    """

    text: str
    names: frozenset[str]
    states: frozenset[str]
    _whole: Part
    _name_offsets: tuple[tuple[str, int], ...]

    def evaluate(self, values: Mapping[str, Value], states: Mapping[str, bool]) -> bool:
        """Return whether the condition is true.

        ``&&`` and ``||`` are decided from left to right, and what cannot change the answer is not compared.

        :param values: value of each variable; more may be in it
        :param states: whether each named state is the case
        :raises ConditionError: a name or state is missing, or a number is ordered against text that is none
        """
        for name, offset in self._name_offsets:
            if name not in values:
                raise ConditionError(f"${{{name}}} is not defined here", offset)
        return _is_true(self._whole, values, states)


def parse_condition(text: str) -> Condition:
    """Read a condition.

    :param text: as its author wrote it
    :raises ConditionError: it is not of the language
    """
    whole, leaves = parse(text)
    name_offsets = tuple(found for leaf in leaves for found in _names_in(leaf))
    return Condition(
        text=text,
        names=frozenset(name for name, _ in name_offsets),
        states=frozenset(leaf.word for leaf in leaves if isinstance(leaf, State)),
        _whole=whole,
        _name_offsets=name_offsets,
    )


def _is_true(part: Part, values: Mapping[str, Value], states: Mapping[str, bool]) -> bool:
    if isinstance(part, Comparison):
        return compare(part, values)
    if isinstance(part, Membership):
        return is_member(part, values)
    if isinstance(part, State):
        if part.word not in states:
            raise ConditionError(f"the state {part.word} of the upstream nodes is not known", part.offset)
        return states[part.word]
    if isinstance(part, Not):
        return not _is_true(part.part, values, states)
    decide = all if isinstance(part, AllOf) else any
    return decide(_is_true(inner, values, states) for inner in part.parts)


def _names_in(leaf: Leaf) -> list[tuple[str, int]]:
    if isinstance(leaf, State):
        return []
    if isinstance(leaf, Variable):
        return [(leaf.name, leaf.offset)]
    opening_quote = 1
    return [
        (segment.name, leaf.offset + opening_quote + segment.start)
        for segment in leaf.segments
        if isinstance(segment, Reference)
    ]
