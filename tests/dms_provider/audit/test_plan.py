"""The statements of an audit in every dialect."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dms_provider.audit.metrics import METRICS
from dms_provider.audit.plan import FEW_VALUES, AuditPlan, Estimate, WrongAudit
from dms_provider.audit.rules import AuditRule
from dms_provider.dialects import CONN_TYPES, RefusedValue, WrongName, dialect, substitute
from dms_provider.variables.references import Text
from dms_provider.variables.values import AuthorText, Data, Value

NEEDED = {"match_rate": {"pattern": "^a'\\"}, "in_set_rate": {"values": ["it's", "\\", "語"]}}

DISTINCT = {metric for metric in METRICS if "distinct" in METRICS[metric].parts}
COMMON = {
    "rows": "COUNT(*)",
    "filled": "COUNT(c)",
    "min": "MIN(c)",
    "max": "MAX(c)",
    "sum": "SUM(c)",
    "stddev": "STDDEV_POP(c)",
    "length_min": "MIN(LENGTH(c))",
    "length_max": "MAX(LENGTH(c))",
}
EXPECTED: dict[str, dict[str, str]] = {
    "mysql": {
        "length_min": "MIN(CHAR_LENGTH(c))",
        "length_max": "MAX(CHAR_LENGTH(c))",
        "matching": "COUNT(c REGEXP '^a''\\\\' OR NULL)",
        "in_set": "COUNT(c IN ('it''s', '\\\\', '語') OR NULL)",
        "now": "CURRENT_TIMESTAMP",
    },
    "postgres": {
        "length_min": "MIN(LENGTH(CAST(c AS text)))",
        "length_max": "MAX(LENGTH(CAST(c AS text)))",
        "matching": "COUNT(CASE WHEN CAST(c AS text) ~ '^a''\\' THEN 1 END)",
        "in_set": "COUNT(CASE WHEN c IN ('it''s', '\\', '語') THEN 1 END)",
        "now": "CURRENT_TIMESTAMP",
    },
    "sqlite": {
        "matching": "COUNT(CASE WHEN c REGEXP '^a''\\' THEN 1 END)",
        "in_set": "COUNT(CASE WHEN c IN ('it''s', '\\', '語') THEN 1 END)",
        "now": "STRFTIME('%Y-%m-%d %H:%M:%f', 'now')",
    },
    "mssql": {
        "rows": "COUNT_BIG(*)",
        "filled": "COUNT_BIG(c)",
        "sum": "SUM(c + CAST(0 AS decimal(1, 0)))",
        "stddev": "STDEVP(c)",
        "length_min": "MIN(LEN(CAST(c AS nvarchar(max)) + N'x') - 1)",
        "length_max": "MAX(LEN(CAST(c AS nvarchar(max)) + N'x') - 1)",
        "in_set": "COUNT_BIG(CASE WHEN c IN (N'it''s', N'\\', N'語') THEN 1 END)",
        "now": "SYSDATETIME()",
    },
    "oracle": {
        "matching": "COUNT(CASE WHEN REGEXP_LIKE(c, '^a''\\') THEN 1 END)",
        "in_set": "COUNT(CASE WHEN c IN ('it''s', '\\', '語') THEN 1 END)",
        "now": "CAST(SYSTIMESTAMP AS TIMESTAMP)",
    },
    "ibmdb2": {
        "rows": "COUNT_BIG(*)",
        "filled": "COUNT_BIG(c)",
        "sum": "SUM(DECFLOAT(c))",
        "stddev": "STDDEV(c)",
        "length_min": "MIN(CHARACTER_LENGTH(c, CODEUNITS32))",
        "length_max": "MAX(CHARACTER_LENGTH(c, CODEUNITS32))",
        "matching": "COUNT_BIG(CASE WHEN REGEXP_LIKE(c, '^a''\\') THEN 1 END)",
        "in_set": "COUNT_BIG(CASE WHEN c IN ('it''s', '\\', '語') THEN 1 END)",
        "now": "CURRENT TIMESTAMP",
    },
    "maxcompute": {
        "stddev": "STDDEV(c)",
        "matching": "COUNT(CASE WHEN c RLIKE '^a\\'\\\\' THEN 1 END)",
        "in_set": "COUNT(CASE WHEN c IN ('it\\'s', '\\\\', '語') THEN 1 END)",
        "now": "MAX(GETDATE())",
    },
}
FAMILY = {
    **dict.fromkeys(("polardbx", "analyticdb_mysql", "dla", "lindorm", "oceanbase"), "mysql"),
    **dict.fromkeys(("polardb_oracle", "analyticdb_postgres", "hologres"), "postgres"),
    **dict.fromkeys(("oceanbase_oracle", "dm"), "oracle"),
}


def rule(metric: str, column: str | None = "c", check: str = "> 0") -> AuditRule:
    if metric == "row_count":
        column = None
    return AuditRule(metric=metric, column=column, check=check, **NEEDED.get(metric, {}))  # type: ignore[arg-type]  # by name


def plan(
    conn_type: str, *rules: AuditRule, where: str = "", estimate: Estimate | None = None, **known: Value
) -> AuditPlan:
    language = dialect(conn_type)
    return AuditPlan("t", where, rules, known, language, language.default_mode, estimate=estimate)


def texts(made: AuditPlan) -> list[str]:
    return [substitute(text, made.dialect) for text in made.statements()]


@pytest.mark.parametrize("conn_type", sorted(CONN_TYPES))
def test_every_metric_in_every_dialect(conn_type: str) -> None:
    refused = dialect(conn_type).aggregates.refused
    metrics = [name for name, metric in METRICS.items() if refused.keys().isdisjoint(metric.parts)]
    rules = (rule(metric, "e" if metric in DISTINCT else "c") for metric in metrics)
    made = plan(conn_type, *rules, where="d > 1")
    first, second = texts(made)
    own = EXPECTED[FAMILY.get(conn_type, conn_type)]
    column = made.quoted("c")
    expressions = {**COMMON, **own}
    for part in made.scans[0].parts:
        expression = expressions[part.name]
        for before, behind in (("(", ")"), ("(", " "), (" ", " "), ("(", ",")):
            expression = expression.replace(f"{before}c{behind}", f"{before}{column}{behind}")
        assert f"{expression},\n" in f"{first.removeprefix('SELECT ')},\n".replace("\nFROM", ",\nFROM"), part
    assert {part.name for part in made.scans[0].parts} == set(expressions) - {"matching"} | (
        set() if "matching" in refused else {"matching"}
    )
    assert first.endswith(f"\nFROM {made.quoted('t')}\nWHERE (\nd > 1\n)")
    assert {part.name for part in made.scans[1].parts} == {"distinct", "filled"}
    assert f"FROM {made.quoted('t')}\nWHERE (\nd > 1\n)" in second


def test_sql_server_has_no_regular_expressions() -> None:
    with pytest.raises(
        WrongAudit, match=r"rule 'match_rate c': match_rate cannot .* use a sql rule with LIKE"
    ):
        plan("mssql", rule("row_count"), rule("match_rate"))


def test_rules_share_what_is_counted() -> None:
    made = plan(
        "mysql", *(rule(metric) for metric in METRICS if metric != "freshness"), rule("avg"), rule("max")
    )
    assert [len(scan.parts) for scan in made.scans] == [10, 2]
    assert len(texts(plan("mysql", rule("distinct_count"), rule("unique_rate")))) == 1
    assert len(texts(plan("mysql", rule("avg", "a"), rule("avg", "b")))) == 1


GROUPS = """\
SELECT c0.p0, c0.p1, c0.p2, c0.p3, c0.p4, c1.p5, c1.p6, c1.p7
FROM (
SELECT COUNT(v) AS p0,
  COALESCE(SUM(n), 0) AS p1,
  COALESCE(SUM(CASE WHEN v IS NOT NULL THEN n END), 0) AS p2,
  COALESCE(SUM(p3), 0) AS p3,
  MAX(p4) AS p4
FROM (
SELECT v, SUM(n) AS n,
  COALESCE(SUM(CASE WHEN CAST(v AS text) ~ '^a''\\' THEN n END), 0) AS p3,
  MAX(LENGTH(CAST(v AS text))) AS p4
FROM (
SELECT "a" AS v, COUNT(*) AS n
FROM "t"
WHERE (
d > 1
)
GROUP BY "a", CAST("a" AS text) COLLATE "C"
) t
GROUP BY v
) g
) c0
CROSS JOIN (
SELECT COALESCE(SUM(CASE WHEN v IS NOT NULL THEN n END), 0) AS p5,
  COUNT(v) AS p6,
  MIN(v) AS p7
FROM (
SELECT "b" AS v, COUNT(*) AS n
FROM "t"
WHERE (
d > 1
)
GROUP BY "b"
) g
) c1
"""


def test_distinct_values_on_postgres_are_groups_of_rows() -> None:
    asked = [rule("distinct_count", "a"), *(rule(metric, "a") for metric in ("null_rate", "match_rate"))]
    asked += [rule("length_max", "a"), rule("duplicate_count", "b"), rule("min", "b")]
    plans: list[str] = []

    def estimate(text: Text) -> int:
        plans.append(substitute(text, dialect("postgres")))
        return FEW_VALUES

    assert texts(plan("postgres", *asked, where="d > 1", estimate=estimate)) == [GROUPS]
    assert plans == ['EXPLAIN (FORMAT JSON) SELECT "a" FROM "t"\nWHERE (\nd > 1\n)\nGROUP BY "a"']


OF_GROUPS = {"null_rate", "null_count", "min", "max", "in_set_rate", "length_min", "length_max"}


@pytest.mark.parametrize(
    ("conn_type", "values", "from_groups"),
    [
        ("postgres", FEW_VALUES, OF_GROUPS | {"match_rate"}),
        ("postgres", FEW_VALUES + 1, OF_GROUPS),
        ("postgres", None, OF_GROUPS),
        ("postgres", 199, OF_GROUPS | {"match_rate"}),
        ("postgres", 200, OF_GROUPS),
        ("hologres", 1, OF_GROUPS),
        ("mysql", 1, set()),
        ("oracle", 1, set()),
    ],
)
def test_what_comes_from_groups(conn_type: str, values: int | None, from_groups: set[str]) -> None:
    metrics = METRICS.keys() - {"row_count"} - DISTINCT
    asked = [rule("distinct_count"), *(rule(metric) for metric in metrics)]
    first, second = plan(conn_type, *asked, estimate=lambda text: values).scans
    assert second.rules == 1 + len(from_groups)
    assert first.rules == len(metrics) - len(from_groups)
    for metric in metrics:
        there = {part.name for part in (second if metric in from_groups else first).parts}
        assert there.issuperset(METRICS[metric].parts)


LENGTHS = """\
SELECT c0.p0, c0.p1
FROM (
SELECT COUNT(v) AS p0,
  MAX(p1) AS p1
FROM (
SELECT "c" AS v, COUNT(*) AS n,
  MAX(LENGTH(CAST("c" AS text))) AS p1
FROM "t"
GROUP BY "c"
) g
) c0
"""


def test_a_length_is_no_reason_to_group_by_texts() -> None:
    asked = [rule("distinct_count"), rule("length_max")]
    assert texts(plan("postgres", *asked, estimate=lambda text: 1)) == [LENGTHS]


def test_a_column_that_is_not_counted_is_not_grouped() -> None:
    made = plan("postgres", rule("distinct_count", "a"), rule("null_rate", "b"), rule("row_count"))
    assert [[(part.name, part.column) for part in scan.parts] for scan in made.scans] == [
        [("rows", ""), ("filled", '"b"')],
        [("distinct", '"a"')],
    ]


@pytest.mark.parametrize("name", ["a b", "select", 'a"b', "a`b", "a]b", "{x}", "{c}", "a{most}"])
def test_names_are_names(name: str) -> None:
    for conn_type in ("mysql", "postgres", "mssql"):
        made = plan(conn_type, rule("in_set_rate", '"' + name.replace('"', '""') + '"'))
        quotes = made.dialect.identifier_quotes
        inside = name.replace(quotes[1], quotes[1] * 2)
        assert f"{quotes[0]}{inside}{quotes[1]} IN (" in texts(made)[0]


def test_data_is_no_name_unless_it_is_an_identifier() -> None:
    assert "`delay_2`" in texts(plan("mysql", rule("max", "${column}"), column=Data(("delay_2",))))[0]
    with pytest.raises(RefusedValue):
        plan("mysql", rule("max", "${column}"), column=Data(("a) FROM x; --",)))
    with pytest.raises(WrongName):
        plan("mysql", rule("max", "a.`b"))
    assert "`a b`" in texts(plan("mysql", rule("max", "${column}"), column=AuthorText("a b")))[0]


@pytest.mark.parametrize(
    ("asked", "beyond", "condition"),
    [
        (rule("null_rate"), (">", 0), '("c" IS NULL)'),
        (rule("match_rate"), ("<", 1), "(\"c\" IS NOT NULL AND NOT (CAST(\"c\" AS text) ~ '^a''\\'))"),
        (rule("max"), (">=", "1.50"), '("c" >= 1.50)'),
        (rule("min"), ("<", "-1E+2"), '("c" < -100)'),
        (rule("length_max"), (">", 3), '(LENGTH(CAST("c" AS text)) > 3)'),
        (rule("null_rate"), ("<", 1), None),
        (rule("match_rate"), (">", 0), None),
        (rule("max"), ("<", 1), None),
        (rule("avg"), (">", 1), None),
        (rule("row_count"), ("<", 1), None),
        (rule("freshness"), (">", 1), None),
    ],
)
def test_rows_that_break_a_rule(asked: AuditRule, beyond: tuple[str, object], condition: str | None) -> None:
    made = plan("postgres", asked, where="d > 1 -- all")
    query = made.sample_query(0, (beyond[0], Decimal(str(beyond[1]))), ["id", 'a"b'])
    if condition is None:
        assert query is None
        return
    assert query is not None
    assert substitute(query, made.dialect) == (
        f'SELECT "id", "a""b" FROM "t"\nWHERE (\nd > 1 -- all\n) AND {condition} LIMIT 10'
    )


@pytest.mark.parametrize(
    ("conn_type", "begin", "end"),
    [
        ("mssql", "SELECT TOP (10) [c] FROM [t]", "([c] IS NULL)"),
        ("oracle", 'SELECT * FROM (SELECT "c" FROM "t"', '("c" IS NULL)) WHERE ROWNUM <= 10'),
        ("ibmdb2", 'SELECT "c" FROM "t"', '("c" IS NULL) FETCH FIRST 10 ROWS ONLY'),
        ("maxcompute", "SELECT `c` FROM `t`", "(`c` IS NULL) LIMIT 10"),
    ],
)
def test_some_rows_in_every_dialect(conn_type: str, begin: str, end: str) -> None:
    made = plan(conn_type, rule("null_count"))
    query = made.sample_query(0, (">", Decimal(0)), ["c"])
    assert query is not None
    text = substitute(query, made.dialect)
    assert text.startswith(begin)
    assert text.endswith(end)


def test_duplicates_are_shown_as_values_and_how_often() -> None:
    made = plan("mysql", rule("duplicate_count"), where="d > 1")
    query = made.sample_query(0, (">", Decimal(0)), ["id"])
    assert query is not None
    assert substitute(query, made.dialect) == (
        "SELECT `c`, COUNT(*) FROM `t`\nWHERE (\nd > 1\n) AND (`c` IS NOT NULL)\n"
        "GROUP BY `c` HAVING COUNT(*) > 1 ORDER BY 2 DESC LIMIT 10"
    )
