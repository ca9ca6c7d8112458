"""A rule of an audit: one number of a table, and what it must be.

Source: flow-spec, *audit*; DMS reference, section 1.8.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dms_provider.audit.checks import Check, WrongCheck, check_names, parse_check
from dms_provider.audit.metrics import METRICS
from dms_provider.variables.references import Reference, parse_references

Severity = Literal["fail", "warn"]


class WrongRule(ValueError):
    """A rule cannot be. The message names it and says what to change."""


@dataclass(frozen=True, slots=True)
class AuditRule:
    """One number of a table, and what it must be: a ``metric``, or ``sql`` of the author's own.

    ``${name}`` is replaced in ``column``, ``sql`` and ``check``.

    :param check: ``<= 100``, ``between 1 and 5``, ``== ${expected}`` or ``within 20% of last 7``
    :param metric: what is computed
    :param column: of what; every metric but ``row_count`` needs one
    :param pattern: of ``match_rate``, a regular expression as the database understands it
    :param values: of ``in_set_rate``
    :param sql: a query for one number, instead of ``metric``
    :param name: of the rule in reports, and in the comparison with earlier runs
    :param severity: what a broken rule does; ``None`` for what the node says
    :raises WrongRule: what is given does not go together
    """

    check: str
    metric: str | None = None
    column: str | None = None
    pattern: str | None = None
    values: Sequence[str] | None = None
    sql: str | None = None
    name: str | None = None
    severity: Severity | None = None

    def __post_init__(self) -> None:
        if (self.metric is None) == (self.sql is None):
            raise WrongRule(f"rule {self.label!r}: give metric or sql, one of them")
        if self.metric is not None and self.metric not in METRICS:
            raise WrongRule(f"{self.metric!r} is no metric; known: {', '.join(METRICS)}")
        needed = {
            "column": self.metric not in (None, "row_count"),
            "pattern": self.metric == "match_rate",
            "values": self.metric == "in_set_rate",
        }
        for argument, is_needed in needed.items():
            if bool(getattr(self, argument)) != is_needed:
                verb = "needs" if is_needed else "takes no"
                raise WrongRule(f"rule {self.label!r}: {self.metric or 'sql'} {verb} {argument}")
        if self.severity not in (None, "fail", "warn"):
            raise WrongRule(f"rule {self.label!r}: severity is {self.severity!r}; write fail or warn")
        self.parsed_check()

    @property
    def label(self) -> str:
        """What the rule is called: its name, or what it computes."""
        return self.name or " ".join(part for part in (self.metric, self.column) if part) or "sql"

    @property
    def what(self) -> str:
        """What is computed, for people."""
        if self.sql is not None:
            return f"sql: {self.sql.strip()}"
        of = f" of {self.column}" if self.column else ""
        given = f": {self.pattern}" if self.pattern else f": {', '.join(self.values)}" if self.values else ""
        unit = " in seconds" if self.metric == "freshness" else ""
        return f"{self.metric}{of}{unit}{given}"

    def parsed_check(self) -> Check:
        """Return what the check means.

        :raises WrongRule: it cannot be read
        """
        try:
            return parse_check(self.check)
        except WrongCheck as error:
            hint = f"; did you mean {error.suggestion!r}?" if error.suggestion else ""
            raise WrongRule(f"rule {self.label!r}: {error}{hint}") from None

    def names(self) -> set[str]:
        """Return the names that the rule refers to."""
        texts = (self.column or "", self.sql or "")
        return check_names(self.parsed_check()) | {
            segment.name
            for text in texts
            for segment in parse_references(text)
            if isinstance(segment, Reference)
        }

    def identities(self, table: str, where: str) -> tuple[str, ...]:
        """Return by what earlier runs know the rule: first its name, then what it computes.

        :param table: as it is written
        :param where: as it is written
        """
        computed = _digest(
            "is", table, where, self.metric, self.column, self.pattern, list(self.values or ()), self.sql
        )
        return (computed,) if self.name is None else (_digest("called", self.name), computed)


def labels(rules: Sequence[AuditRule]) -> list[str]:
    """Return what each rule is called in a report; alike ones are told apart by their place.

    :raises WrongRule: two rules have one name
    """
    names = [rule.name for rule in rules if rule.name is not None]
    for name in names:
        if names.count(name) > 1:
            raise WrongRule(f"two rules are called {name!r}; give each rule a name of its own")
    found = [rule.label for rule in rules]
    return [
        label if found.count(label) == 1 or rule.name is not None else f"{label} (rule {number})"
        for number, (label, rule) in enumerate(zip(found, rules, strict=True), 1)
    ]


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
