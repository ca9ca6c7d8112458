"""What a dialect computes over the rows of a table, in its own words.

Source: flow-spec, *audit*.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from dms_provider.variables.references import DataReference, Text

_NO_REFUSALS: Final[Mapping[str, str]] = MappingProxyType({})
_NAME: Final = re.compile(r"(\{[a-z]+\})")
_IN_SET: Final = "{c} IN ({x})"


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Expressions of one dialect. ``{c}`` stands for the quoted column, ``{x}`` for one or more literals.

    :param count: function that counts without an early overflow
    :param sum: in a type that does not overflow before the database's widest one
    :param stddev: of the values that are there, as the whole population
    :param length: of one value in characters
    :param match: condition that a value matches a regular expression
    :param quotes: what stands before and behind the characters of a literal that may hold any
    :param now: the moment of the statement, on the clock that times without a zone are on
    :param count_if: count of the rows that meet a condition, by ``{count}`` of what is NULL for the others
    :param distinct_by_groups: distinct values are counted as groups of rows, column by column, which is far
        faster than COUNT(DISTINCT …) where that sorts all rows and uses neither hashes nor several processes
    :param same_text: expression that is equal where two values are the same text, character by character;
        equal values need not be: citext, and numbers such as 1.0 and 1.00. Empty where there is none
    :param plan: statement that gives the plan of ``{query}`` as JSON, with ``Plan`` and its ``Plan Rows``;
        empty where there is none
    :param rows_unknown: how many groups the database expects of a column that it has no statistics of
    :param some_rows: query of at most ``{most}`` rows of another, ``{query}``, that has conditions
    :param refused: part that the dialect cannot compute -> what to do instead
    """

    count: str = "COUNT"
    sum: str = "SUM({c})"
    stddev: str = "STDDEV_POP({c})"
    length: str = "LENGTH({c})"
    match: str = "REGEXP_LIKE({c}, {x})"
    quotes: tuple[str, str] = ("'", "'")
    now: str = "CURRENT_TIMESTAMP"
    count_if: str = "{count}(CASE WHEN {condition} THEN 1 END)"
    distinct_by_groups: bool = False
    same_text: str = ""
    plan: str = ""
    rows_unknown: int | None = None
    some_rows: str = "SELECT {query} LIMIT {most}"
    refused: Mapping[str, str] = field(default_factory=lambda: _NO_REFUSALS)

    def expression(self, part: str, column: str = "", literals: Text = ()) -> Text:
        """Return what computes one part of a metric.

        :param part: of :data:`~dms_provider.audit.metrics.METRICS`
        :param column: its name, quoted
        :param literals: the regular expression, or the values of the set with commas between
        """
        return fill(self._templates()[part], {"c": (column,), "x": literals})

    def condition(self, part: str, column: str, literals: Text = ()) -> Text:
        """Return a condition that a row meets: ``match``, ``in_set``, ``null``, or ``{c}`` and ``length``,
        which are what a bound is put behind."""
        templates = {
            "match": self.match,
            "in_set": _IN_SET,
            "null": "{c} IS NULL",
            "value": "{c}",
            "length": self.length,
        }
        return fill(templates[part], {"c": (column,), "x": literals})

    def _templates(self) -> Mapping[str, str]:
        return {
            "rows": f"{self.count}(*)",
            "filled": f"{self.count}({{c}})",
            "distinct": f"{self.count}(DISTINCT {{c}})",
            "min": "MIN({c})",
            "max": "MAX({c})",
            "sum": self.sum,
            "stddev": self.stddev,
            "length_min": f"MIN({self.length})",
            "length_max": f"MAX({self.length})",
            "matching": self._count_if(self.match),
            "in_set": self._count_if(_IN_SET),
            "now": self.now,
        }

    def _count_if(self, condition: str) -> str:
        return self.count_if.replace("{count}", self.count).replace("{condition}", condition)


def fill(template: str, parts: Mapping[str, Text]) -> Text:
    """Return a template with texts in the places of the names in braces, in one pass.

    :param parts: by name
    """
    pieces: list[str | DataReference] = []
    for piece in _NAME.split(template):
        name = piece[1:-1]
        pieces.extend(parts[name] if piece.startswith("{") and name in parts else (piece,))
    return joined(pieces)


def joined(parts: Iterable[str | DataReference]) -> Text:
    """Return the parts of a text as a text: neighbouring strings are one, and none is empty."""
    text: list[str | DataReference] = []
    for part in parts:
        if isinstance(part, str) and text and isinstance(text[-1], str):
            text[-1] += part
        elif part:
            text.append(part)
    return tuple(text)
