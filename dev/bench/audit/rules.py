"""Thirty rules that hold, in this package's words and in those of the check operators of common-sql."""

from __future__ import annotations

from dataclasses import dataclass

from dms_provider.audit.rules import AuditRule

CARRIER = "^[A-Z0-9]{2}$"
AIRPORTS = ("EWR", "JFK", "LGA")


@dataclass(frozen=True, slots=True)
class Compared:
    """One rule twice.

    :param rule: ours
    :param statement: theirs: a condition over the table in common-sql's table check
    """

    rule: AuditRule
    statement: str


def _rule(metric: str, column: str | None, check: str, statement: str, **more: object) -> Compared:
    given = AuditRule(check=check, metric=metric, column=column, **more)  # type: ignore[arg-type]  # by name
    return Compared(given, statement)


def thirty_rules(kind: str) -> list[Compared]:
    """Return the rules; the last four count distinct values.

    :param kind: of the server
    """
    matches = "~" if kind == "postgres" else "REGEXP"
    rules = [
        _rule("row_count", None, "> 0", "COUNT(*) > 0"),
        _rule("null_rate", "carrier", "== 0", "COUNT(*) = COUNT(carrier)"),
        _rule("null_count", "origin", "== 0", "COUNT(*) = COUNT(origin)"),
        _rule("null_rate", "tail_number", "< 0.1", "1 - COUNT(tail_number) / (1.0 * COUNT(*)) < 0.1"),
        _rule("null_rate", "delay", "< 0.1", "1 - COUNT(delay) / (1.0 * COUNT(*)) < 0.1"),
        _rule("null_rate", "note", "< 0.5", "1 - COUNT(note) / (1.0 * COUNT(*)) < 0.5"),
    ]
    for column, low, high in (("delay", -40, 400), ("distance", 0, 5000), ("flight", 0, 6000)):
        rules += [
            _rule("min", column, f">= {low}", f"MIN({column}) >= {low}"),
            _rule("max", column, f"<= {high}", f"MAX({column}) <= {high}"),
            _rule("sum", column, "> 0", f"SUM({column}) > 0"),
            _rule("avg", column, f"<= {high}", f"AVG({column}) <= {high}"),
        ]
    rules += [
        _rule("stddev", "delay", "> 0", "STDDEV_POP(delay) > 0"),
        _rule("length_min", "note", ">= 5", "MIN(CHAR_LENGTH(note)) >= 5"),
        _rule("length_max", "note", "<= 40", "MAX(CHAR_LENGTH(note)) <= 40"),
        _rule("length_max", "tail_number", "<= 8", "MAX(CHAR_LENGTH(tail_number)) <= 8"),
        _rule(
            "match_rate",
            "carrier",
            "== 1",
            f"COUNT(*) = COUNT(CASE WHEN carrier {matches} '{CARRIER}' THEN 1 END)",
            pattern=CARRIER,
        ),
        _rule(
            "in_set_rate",
            "origin",
            "== 1",
            "COUNT(*) = COUNT(CASE WHEN origin IN ('EWR', 'JFK', 'LGA') THEN 1 END)",
            values=AIRPORTS,
        ),
        _rule("freshness", "loaded_at", "> 0", "MAX(loaded_at) < CURRENT_TIMESTAMP"),
        _rule("null_count", "loaded_at", "== 0", "COUNT(*) = COUNT(loaded_at)"),
        _rule("distinct_count", "carrier", "== 5", "COUNT(DISTINCT carrier) = 5"),
        _rule("distinct_count", "tail_number", "> 0", "COUNT(DISTINCT tail_number) > 0"),
        _rule("unique_rate", "flight", "< 1", "COUNT(DISTINCT flight) < COUNT(flight)"),
        _rule("duplicate_count", "id", "== 0", "COUNT(DISTINCT id) = COUNT(id)"),
    ]
    return rules
