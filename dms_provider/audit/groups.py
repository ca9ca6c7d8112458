"""What is computed of the groups of rows that have one value in a column.

Where distinct values are counted as groups, what else is asked about the column comes from the groups, too: a
regular expression is evaluated once for each value, and not for each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dms_provider.dialects.aggregates import Aggregates, joined
from dms_provider.variables.references import DataReference, Text

_OF_TEXTS: Final = frozenset({"matching", "length_min", "length_max"})
"""Parts that depend on how a value is written, in which equal values may differ."""
FROM_GROUPS: Final = frozenset({"rows", "filled", "distinct", "min", "max", "in_set"}) | _OF_TEXTS
"""Parts that can be had from groups."""


@dataclass(frozen=True, slots=True)
class Part:
    """One number that the database computes.

    :param name: of :data:`~dms_provider.audit.metrics.METRICS`
    :param column: quoted; empty where it is of no column
    :param literals: of a regular expression or a set
    :param apart: in the statement that counts distinct values
    """

    name: str
    column: str = ""
    literals: Text = ()
    apart: bool = False


def counted_by_groups(parts: Sequence[Part], source: Text, aggregates: Aggregates) -> Text:
    """Return a statement that groups the rows by each column for itself, and computes parts of the groups.

    :param parts: what is computed, each of a column; in this order
    :param source: ``FROM …``, and a condition
    :param aggregates: of the dialect
    """
    columns = list(dict.fromkeys(part.column for part in parts))
    selected = ", ".join(f"c{columns.index(part.column)}.p{number}" for number, part in enumerate(parts))
    text: list[str | DataReference] = [f"SELECT {selected}\nFROM "]
    for number, column in enumerate(columns):
        of_column = {f"p{place}": part for place, part in enumerate(parts) if part.column == column}
        text += ["CROSS JOIN " if number else "", "(\nSELECT "]
        for place, (name, part) in enumerate(of_column.items()):
            text += [",\n  " if place else "", *_of_values(name, part, aggregates), f" AS {name}"]
        text += ["\nFROM (\n", *_values(column, of_column, source, aggregates), f"\n) g\n) c{number}\n"]
    return joined(text)


def _values(column: str, parts: dict[str, Part], source: Text, aggregates: Aggregates) -> Text:
    """Return a query of the column's values, each once, and of what is known of their rows."""
    of_texts = {name: part for name, part in parts.items() if part.name in _OF_TEXTS}
    matches = any(part.name == "matching" for part in of_texts.values())
    text: list[str | DataReference] = [f"SELECT {column} AS v, {aggregates.count}(*) AS n"]
    if not matches:
        for name, part in of_texts.items():
            text += [",\n  ", *aggregates.expression(part.name, column), f" AS {name}"]
    text += ["\n", *source, f"\nGROUP BY {column}"]
    return _values_of_texts(column, joined(text), of_texts, aggregates) if matches else joined(text)


def _values_of_texts(column: str, rows: Text, parts: dict[str, Part], aggregates: Aggregates) -> Text:
    """Return that query by way of groups that have one text each."""
    text: list[str | DataReference] = ["SELECT v, SUM(n) AS n"]
    for name, part in parts.items():
        if part.name == "matching":
            of_value = _rows_that(aggregates.condition("match", "v", part.literals))
        else:
            of_value = aggregates.expression(part.name, "v")
        text += [",\n  ", *of_value, f" AS {name}"]
    each_text = aggregates.same_text.replace("{c}", column)
    return joined((*text, "\nFROM (\n", *rows, f", {each_text}\n) t\nGROUP BY v"))


def _of_values(name: str, part: Part, aggregates: Aggregates) -> Text:
    """Return what computes a part of the values, each once, ``n`` rows of each."""
    if part.name == "distinct":
        return (f"{aggregates.count}(v)",)
    if part.name == "rows":
        return ("COALESCE(SUM(n), 0)",)
    if part.name == "matching":
        return (f"COALESCE(SUM({name}), 0)",)
    if part.name in ("length_min", "length_max"):
        return (f"{'MIN' if part.name == 'length_min' else 'MAX'}({name})",)
    if part.name in ("filled", "in_set"):
        kind = "value" if part.name == "filled" else "in_set"
        condition = aggregates.condition(kind, "v", part.literals)
        return _rows_that((*condition, " IS NOT NULL") if part.name == "filled" else condition)
    return aggregates.expression(part.name, "v")


def _rows_that(condition: Text) -> Text:
    return joined(("COALESCE(SUM(CASE WHEN ", *condition, " THEN n END), 0)"))
