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
    :param distinct_by_groups: distinct values are counted as groups of rows, column by column, which is far
        faster than COUNT(DISTINCT …) where that sorts all rows and uses neither hashes nor several processes
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
    distinct_by_groups: bool = False
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
            "filled_beside": f"{self.count}({{c}})",
            "distinct": f"{self.count}(DISTINCT {{c}})",
            "min": "MIN({c})",
            "max": "MAX({c})",
            "sum": self.sum,
            "stddev": self.stddev,
            "length_min": f"MIN({self.length})",
            "length_max": f"MAX({self.length})",
            "matching": f"{self.count}(CASE WHEN {self.match} THEN 1 END)",
            "in_set": f"{self.count}(CASE WHEN {_IN_SET} THEN 1 END)",
            "now": self.now,
        }


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
