"""The statements of an audit: as few passes over the table as its rules need.

Source: flow-spec, *audit*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dms_provider.audit.groups import FROM_GROUPS, Part, counted_by_groups
from dms_provider.audit.metrics import METRICS
from dms_provider.audit.rules import AuditRule, labels
from dms_provider.dialects import Dialect, Mode, is_balanced, query_problem, quoted_name
from dms_provider.dialects.aggregates import fill, joined
from dms_provider.variables.references import (
    DataReference,
    Text,
    parse_references,
    splice,
)
from dms_provider.variables.values import Data, Value

SOME_ROWS = 10
"""How many offending rows of a rule a report shows."""

FEW_VALUES = 20_000
"""So many fit into the memory of one process, and take no time beside millions of rows."""

Estimate = Callable[[Text], int | None]

_NOT_A_COLUMN = frozenset({"rows", "now"})


class WrongAudit(ValueError):
    """What an audit asks for cannot be asked of the database. The message says what to change."""


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
    :param estimate: asks the database for a plan, and returns how many rows it expects, if it says so;
        without it, regular expressions are evaluated row by row
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
        estimate: Estimate | None = None,
    ) -> None:
        self.rules = rules
        self.labels = labels(rules)
        self.dialect = dialect
        self._mode = mode
        self._values = values
        self._keep_unknown = keep_unknown
        self._table = quoted_name(self._spliced(table), dialect)
        self._where = self._condition(where)
        self._grouped = self._grouped_columns(estimate)
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
        apart = self._is_apart(rule)
        for name in METRICS[metric].parts:
            refusal = self.dialect.aggregates.refused.get(name)
            if refusal is not None:
                raise WrongAudit(f"rule {self.labels[rule]!r}: {metric} cannot be computed here: {refusal}")
            literals = self._literals(rule) if name in ("matching", "in_set") else ()
            of_no_column = name in _NOT_A_COLUMN and not apart
            yield Part(name, "" if of_no_column else column, literals, apart)

    def _grouped_columns(self, estimate: Estimate | None) -> Mapping[str, bool]:
        """Return the columns whose rows are grouped anyway, to count distinct values.

        :return: column, quoted -> it pays to group the rows by how the value is written, too: where there are
            few values, a regular expression for each row takes longer than that
        """
        aggregates = self.dialect.aggregates
        if not aggregates.distinct_by_groups:
            return {}
        asked: dict[str, set[str | None]] = {}
        for index, rule in enumerate(self.rules):
            asked.setdefault(self.column(index), set()).add(rule.metric)
        found: dict[str, bool] = {}
        for column, metrics in asked.items():
            if not any("distinct" in METRICS[metric].parts for metric in metrics if metric):
                continue
            values: int | None = None
            if estimate is not None and aggregates.same_text and "match_rate" in metrics:
                groups = (f"SELECT {column} ", *self._source(), f"\nGROUP BY {column}")
                values = estimate(fill(aggregates.plan, {"query": joined(groups)}))
            found[column] = values not in (None, aggregates.rows_unknown) and values <= FEW_VALUES
        return found

    def _is_apart(self, rule: int) -> bool:
        """Return whether a metric is had with the distinct counts: all of its parts, so that they are of the
        same rows while the table is written to."""
        metric = self.rules[rule].metric
        names = frozenset(METRICS[metric].parts if metric else ())
        if "distinct" in names:
            return True
        by_text = self._grouped.get(self.column(rule))
        return by_text is not None and names <= FROM_GROUPS and (by_text or "matching" not in names)

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
        parts = list(dict.fromkeys(part for found in self._parts for part in found if part.apart is apart))
        if not parts:
            return None
        parts.sort(key=lambda part: part.name == "now")
        rules = sum(any(part.apart is apart for part in found) for found in self._parts)
        aggregates = self.dialect.aggregates
        if apart and aggregates.distinct_by_groups:
            return Scan(counted_by_groups(parts, self._source(), aggregates), tuple(parts), rules)
        text: list[str | DataReference] = ["SELECT "]
        for number, part in enumerate(parts):
            text.append(",\n  " if number else "")
            text.extend(aggregates.expression(part.name, part.column, part.literals))
        return Scan(joined((*text, "\n", *self._source())), tuple(parts), rules)

    def _source(self) -> Text:
        return joined((f"FROM {self._table}", "\n" if self._where else "", *self._with_where()))
