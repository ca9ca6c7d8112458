"""``audit``: rules about a table's data, and a report.

Source: flow-spec, *Node types*; DMS reference 1.8.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, PlainValidator, WithJsonSchema

from dag_factory.spec.model import Contradiction, Maybe, RelatedKeys, one_of
from dag_factory.spec.nodes.common import Node, Texts
from dag_factory.spec.nodes.rule_checks import parse_check
from dag_factory.spec.scalars import ConnectionId, FileOrOss, PositiveDuration, Something, Text
from dms_provider.audit.checks import Check

if TYPE_CHECKING:
    from dms_provider.audit.rules import AuditRule

Severity = Literal["fail", "warn"]
Metric = Literal[
    "row_count",
    "null_count",
    "null_rate",
    "distinct_count",
    "duplicate_count",
    "unique_rate",
    "min",
    "max",
    "sum",
    "avg",
    "stddev",
    "length_min",
    "length_max",
    "match_rate",
    "in_set_rate",
    "freshness",
]
RuleCheck = Annotated[
    Check,
    PlainValidator(parse_check),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\s*((==|!=|>=|<=|>|<)\s*(-?\d|\$\{)|between\s+\S|within\s+\d)"}
    ),
]


class Rule(RelatedKeys):
    """One number of the table, and what it must be."""

    model_config = one_of(
        ("metric",),
        ("sql",),
        needs=[("metric", "match_rate", "pattern"), ("metric", "in_set_rate", "values")],
    )

    name: Maybe[Something] = Field(
        None, description="The rule's name in the report; one of its own for each rule."
    )
    metric: Maybe[Metric] = Field(None, description="What is counted or computed; or give `sql`.")
    column: Maybe[Something] = Field(None, description="The column; every metric but row_count needs one.")
    pattern: Maybe[Something] = Field(None, description="Regular expression of match_rate.")
    values: Maybe[Annotated[tuple[Text, ...], Field(min_length=1)]] = Field(
        None, description="The values of in_set_rate.", examples=[["east", "west"]]
    )
    sql: Maybe[Something] = Field(
        None, description="A query of your own for one number, instead of `metric`."
    )
    check: RuleCheck = Field(
        description="What the number must be.",
        examples=["<= 100", "between 1 and 5", "== ${expected}", "within 20% of last 7"],
    )
    severity: Maybe[Severity] = Field(
        None, description="What a broken rule does; default: the node's severity."
    )

    @classmethod
    def contradictions(cls, given: dict[str, Any]) -> Iterator[Contradiction]:
        metric = given.get("metric")
        if "sql" in given:
            for key in ("metric", "column", "pattern", "values"):
                if key in given:
                    yield Contradiction(
                        f"'sql' stands alone; remove '{key}', or 'sql'", path=(key,), key=True
                    )
            return
        if "metric" not in given:
            yield Contradiction("'metric' or 'sql' is missing; give one of them", code="missing-key")
            return
        if metric == "row_count" and "column" in given:
            yield Contradiction("row_count counts rows; remove 'column'", path=("column",), key=True)
        elif metric != "row_count" and metric in get_args(Metric) and "column" not in given:
            yield Contradiction(f"key 'column' is missing; metric {metric} needs one", code="missing-key")
        for key, needed_by in (("pattern", "match_rate"), ("values", "in_set_rate")):
            if metric == needed_by and key not in given:
                yield Contradiction(
                    f"key '{key}' is missing; metric {needed_by} needs it", code="missing-key"
                )
            elif metric != needed_by and key in given:
                yield Contradiction(
                    f"'{key}' belongs to metric {needed_by}; remove it", path=(key,), key=True
                )


class Audit(Node, RelatedKeys):
    """Checks rules about a table's data and writes a report."""

    TEXTS: ClassVar[Texts] = {
        ("table",): "expression",
        ("where",): "expression",
        ("rules", "*", "column"): "expression",
        ("rules", "*", "sql"): "sql",
        ("rules", "*", "check"): "value",
        ("report",): "author",
    }
    ONE_QUERY: ClassVar[bool] = True

    type: Literal["audit"] = Field(description="Checks rules about a table's data.")
    database: ConnectionId = Field(
        description="Airflow connection id of the database.", examples=["warehouse"]
    )
    table: Something = Field(description="The table.", examples=["flights"])
    where: Maybe[Something] = Field(None, description="Which rows count; one expression.")
    rules: tuple[Rule, ...] = Field(min_length=1, description="What must hold.")
    report: Maybe[FileOrOss] = Field(
        None,
        description="Folder, or oss://CONNECTION/BUCKET/KEY, where the report goes.",
        examples=["reports"],
    )
    severity: Severity = Field("fail", description="Whether a broken rule fails the node, or only warns.")
    sensitive: tuple[Something, ...] = Field((), description="Columns never shown in a report.")
    timeout: PositiveDuration = Field(timedelta(hours=4), description="Limit of one try's work.")

    def audit_rules(self) -> list[AuditRule]:
        """Return the rules as the operator takes them."""
        from dms_provider.audit.rules import AuditRule

        return [
            AuditRule(
                check=rule.check.text,
                metric=rule.metric,
                column=rule.column,
                pattern=rule.pattern,
                values=rule.values,
                sql=rule.sql,
                name=rule.name,
                severity=rule.severity,
            )
            for rule in self.rules
        ]

    @classmethod
    def contradictions(cls, given: dict[str, Any]) -> Iterator[Contradiction]:
        rules = given.get("rules")
        seen: dict[str, int] = {}
        for number, rule in enumerate(rules if isinstance(rules, (list, tuple)) else ()):
            if not isinstance(rule, dict):
                continue
            name = rule.get("name")
            if not isinstance(name, str):
                continue
            if name in seen:
                yield Contradiction(
                    f"rule {seen[name] + 1} is called '{name}' too; give each rule a name of its own",
                    path=("rules", number, "name"),
                    code="defined-twice",
                )
            seen.setdefault(name, number)
