"""The statements of an audit: as few passes over the table as its rules need.

Source: flow-spec, *audit*.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dms_provider.audit.metrics import METRICS
from dms_provider.audit.rules import AuditRule, labels
from dms_provider.dialects import Dialect, Mode, is_balanced, query_problem, quoted_name
from dms_provider.dialects.aggregates import Aggregates, fill, joined
from dms_provider.variables.references import (
    DataReference,
    Text,
    parse_references,
    splice,
)
from dms_provider.variables.values import Data, Value

SOME_ROWS = 10
"""How many offending rows of a rule a report shows."""

_APART = frozenset({"distinct", "filled_beside"})
"""In one statement, so that both are of the same rows while the table is written to."""
_NOT_A_COLUMN = frozenset({"rows", "now"})


class WrongAudit(ValueError):
    """What an audit asks for cannot be asked of the database. The message says what to change."""


@dataclass(frozen=True, slots=True)
class Part:
    """One number that the database computes.

    :param name: of :data:`~dms_provider.audit.metrics.METRICS`
    :param column: quoted; empty where it is of no column
    :param literals: of a regular expression or a set
    """

    name: str
    column: str = ""
    literals: Text = ()


@dataclass(frozen=True, slots=True)
class Scan:
    """One statement, which reads the table once.

    :param text: data in it is not yet in its place
    :param parts: what it gives, in the order of its columns
    :param rules: how many rules have a part in it
    """

    text: Text
    parts: tuple[Part, ...]
    rules: int


@dataclass(frozen=True, slots=True)
class OwnQuery:
    """The query of a ``sql`` rule.

    :param rule: index of the rule
    :param text: data in it is not yet in its place
    """

    rule: int
    text: Text


class AuditPlan:
    """The statements of one audit.

    :param table: name of the table, with references
    :param where: one expression, with references; empty for all rows
    :param rules: what is asked
    :param values: of the names in all of them
    :param dialect: of the database
    :param mode: of the session that will execute it
    :param keep_unknown: a name without a value stays as it is written, as in a preview
    :raises WrongAudit: a rule cannot be asked of this database
    :raises WrongName: the table or a column has no name
    :raises RefusedValue: data may not stand in a name
    """

    def __init__(
        self,
        table: str,
        where: str,
        rules: Sequence[AuditRule],
        values: Mapping[str, Value],
        dialect: Dialect,
        mode: Mode,
        *,
        keep_unknown: bool = False,
    ) -> None:
        self.rules = rules
        self.labels = labels(rules)
        self.dialect = dialect
        self._mode = mode
        self._values = values
        self._keep_unknown = keep_unknown
        self._table = quoted_name(self._spliced(table), dialect)
        self._where = self._condition(where)
        self._parts = [tuple(self._parts_of(index)) for index in range(len(rules))]
        self.own = [
            OwnQuery(index, self._own_query(index))
            for index, rule in enumerate(rules)
            if rule.sql is not None
        ]
        self.scans = [scan for apart in (False, True) if (scan := self._scan(apart)) is not None]

    def statements(self) -> list[Text]:
        """Return all statements; those that look for offending rows come when a rule is broken."""
        return [*(scan.text for scan in self.scans), *(query.text for query in self.own)]

    def value(self, rule: int, answers: Mapping[Part, Any]) -> Decimal | None:
        """Return the value of a rule with a metric.

        :param rule: its index
        :param answers: of all scans
        :raises WrongValue: the metric cannot be had of what the column holds
        """
        metric = self.rules[rule].metric
        assert metric is not None
        return METRICS[metric].compute([answers[part] for part in self._parts[rule]])

    def column(self, rule: int) -> str:
        """Return the column of a rule, quoted; empty where it has none."""
        text = self.rules[rule].column
        return quoted_name(self._spliced(text), self.dialect) if text else ""

    def quoted(self, name: str) -> str:
        """Return the name of a column, as the database gave it, as SQL."""
        doubled = name.replace('"', '""')
        return quoted_name((f'"{doubled}"',), self.dialect)

    def columns_query(self) -> Text:
        """Return a query that has all columns of the table, and no row."""
        return joined((f"SELECT * FROM {self._table} WHERE 1 = 0",))

    def sample_query(self, rule: int, beyond: tuple[str, Decimal], columns: Sequence[str]) -> Text | None:
        """Return a query of some rows that break a rule.

        :param rule: its index
        :param beyond: what the value of a broken rule is, and should not be: ``(">", 100)``
        :param columns: of the rows, as the database gave their names
        :return: ``None`` where no row can be said to break such a rule
        """
        metric, column = self.rules[rule].metric, self.column(rule)
        aggregates = self.dialect.aggregates
        too_high = beyond[0].startswith(">")
        literals = self._literals(rule)
        limit = f" {beyond[0]} {beyond[1]:f}"
        if metric in ("null_count", "null_rate") and too_high:
            condition = aggregates.condition("null", column)
        elif metric in ("match_rate", "in_set_rate") and not too_high:
            kind = "match" if metric == "match_rate" else "in_set"
            good = aggregates.condition(kind, column, literals)
            condition = joined((f"{column} IS NOT NULL AND NOT (", *good, ")"))
        elif (metric, too_high) in (("max", True), ("min", False)):
            condition = joined((*aggregates.condition("value", column), limit))
        elif (metric, too_high) in (("length_max", True), ("length_min", False)):
            condition = joined((*aggregates.condition("length", column), limit))
        elif (metric, too_high) in (("duplicate_count", True), ("unique_rate", False)):
            query = joined(
                (
                    f"{column}, {aggregates.count}(*) FROM {self._table}\n",
                    *self._with_where((f"{column} IS NOT NULL",)),
                    f"\nGROUP BY {column} HAVING {aggregates.count}(*) > 1 ORDER BY 2 DESC",
                )
            )
            return fill(aggregates.some_rows, {"query": query, "most": (str(SOME_ROWS),)})
        else:
            return None
        shown = ", ".join(self.quoted(name) for name in columns)
        query = joined((f"{shown} FROM {self._table}\n", *self._with_where(condition)))
        return fill(aggregates.some_rows, {"query": query, "most": (str(SOME_ROWS),)})

    def _spliced(self, text: str) -> Text:
        return splice(parse_references(text), self._values, keep_unknown=self._keep_unknown)

    def _condition(self, where: str) -> Text:
        if not where.strip():
            return ()
        condition = self._spliced(where)
        if not is_balanced(condition, self.dialect, self._mode):
            raise WrongAudit(
                f"'where' is no balanced expression in {self.dialect.name}: a quote or parenthesis is not"
                " closed, or a ';' ends it"
            )
        return condition

    def _with_where(self, condition: Text = ()) -> Text:
        parts: list[str | DataReference] = []
        if self._where:
            parts += ["WHERE (\n", *self._where, "\n)"]
        if condition:
            parts += [" AND (" if parts else "WHERE (", *condition, ")"]
        return joined(parts)

    def _own_query(self, rule: int) -> Text:
        text = self._spliced(self.rules[rule].sql or "")
        if problem := query_problem(text, self.dialect, self._mode):
            raise WrongAudit(
                f"rule {self.labels[rule]!r}: its sql must be one SELECT that changes nothing, but this"
                f" {problem}"
            )
        return text

    def _parts_of(self, rule: int) -> Iterator[Part]:
        metric = self.rules[rule].metric
        if metric is None:
            return
        column = self.column(rule)
        for name in METRICS[metric].parts:
            refusal = self.dialect.aggregates.refused.get(name)
            if refusal is not None:
                raise WrongAudit(f"rule {self.labels[rule]!r}: {metric} cannot be computed here: {refusal}")
            literals = self._literals(rule) if name in ("matching", "in_set") else ()
            yield Part(name, "" if name in _NOT_A_COLUMN else column, literals)

    def _literals(self, rule: int) -> Text:
        """Return the regular expression, or the values of the set, as literals of one piece of data each."""
        given = self.rules[rule]
        before, behind = self.dialect.aggregates.quotes
        texts = [given.pattern] if given.pattern is not None else list(given.values or ())
        parts: list[str | DataReference] = []
        for number, text in enumerate(texts):
            reference = DataReference(f"rule {self.labels[rule]}", Data((str(text),)))
            parts += [", " if number else "", before, reference, behind]
        return joined(parts)

    def _scan(self, apart: bool) -> Scan | None:
        wanted = [
            {part: None for part in parts if (part.name in _APART) is apart and part.name != "now"}
            for parts in self._parts
        ]
        parts = list(dict.fromkeys(part for found in wanted for part in found))
        if not apart:
            parts += dict.fromkeys(part for found in self._parts for part in found if part.name == "now")
        if not parts:
            return None
        rules = sum(1 for found in wanted if found)
        source = joined((f"FROM {self._table}", "\n" if self._where else "", *self._with_where()))
        aggregates = self.dialect.aggregates
        if apart and aggregates.distinct_by_groups:
            return Scan(_counted_by_groups(parts, source, aggregates), tuple(parts), rules)
        text: list[str | DataReference] = ["SELECT "]
        for number, part in enumerate(parts):
            text.append(",\n  " if number else "")
            text.extend(aggregates.expression(part.name, part.column, part.literals))
        return Scan(joined((*text, "\n", *source)), tuple(parts), rules)


def _counted_by_groups(parts: Sequence[Part], source: Text, aggregates: Aggregates) -> Text:
    """Return a statement that groups the rows by each column for itself, and counts the groups."""
    columns = {column: f"c{number}" for number, column in enumerate(dict.fromkeys(p.column for p in parts))}
    wanted = {"distinct": "different", "filled_beside": "filled"}
    selected = ", ".join(f"{columns[part.column]}.{wanted[part.name]}" for part in parts)
    text: list[str | DataReference] = [f"SELECT {selected}\nFROM "]
    for column, name in columns.items():
        text += [
            "" if name == "c0" else "CROSS JOIN ",
            f"(SELECT {aggregates.count}(v) AS different, SUM(CASE WHEN v IS NOT NULL THEN n END) AS filled"
            f" FROM (\nSELECT {column} AS v, {aggregates.count}(*) AS n\n",
            *source,
            f"\nGROUP BY {column}\n) g) {name}\n",
        ]
    return joined(text)
