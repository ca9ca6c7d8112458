"""What PostgreSQL computes of groups is what it computes of rows, where equal values are not the same."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from dev.services import Server
from dms_provider.audit.metrics import METRICS
from dms_provider.audit.rules import AuditRule
from dms_provider.audit.run import AuditRun
from dms_provider.sessions.source import open_source
from tests.dms_provider.operators.running import Log

COLLATION = """
CREATE COLLATION IF NOT EXISTS dms_no_capitals
(provider = icu, locale = 'und-u-ks-level2', deterministic = false)
"""
EQUAL_OR_NOT = {
    "citext": (["abc", "ABC", "Abc", "xyz"], "^[a-z]+$", ["aBC"]),
    "text COLLATE dms_no_capitals": (["abc", "ABC", "abcd"], None, ["Abc"]),
    "text": (["abc", "ABC", "", " ", "語"], "^[a-c]+$", ["abc", ""]),
    "char(5)": (["abc", "abc  ", "ab"], "c$", ["ab   "]),
    "numeric": (["1.0", "1.00", "1", "-7.500", "NaN"], "\\.", ["1", "-7.5"]),
    "double precision": (["0", "-0", "1e300", "NaN"], "^-", ["0"]),
    "jsonb": (['{"a": 1.0}', '{"a": 1.00}', "[]"], "1\\.00", ["[]"]),
    "interval": (["1 day", "24 hours", "1 month"], "day", ["1 day"]),
    "numeric[]": (["{1.0}", "{1}", "{2}"], "\\.0", ["{1.000}"]),
    "bytea": (["\\x00ff", "a", "b"], "^.x", ["a"]),
    "timestamptz": (["2023-01-01 00:00+00", "2023-01-01 01:00+01"], "01:", ["2023-01-01 02:00+02"]),
}


@pytest.fixture
def postgres(postgres_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", postgres_server.airflow_uri)
    with postgres_server.connect(autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS citext")
        connection.execute(COLLATION)
        yield postgres_server
        connection.execute("DROP TABLE IF EXISTS dms_grouped")


def computed(rules: list[AuditRule]) -> tuple[int, list[Decimal | None]]:
    source = open_source("source", owner="alice", timeout=None)
    plan, values = AuditRun(source, Log()).values("dms_grouped", "", rules, {})
    return sum(part.apart for scan in plan.scans for part in scan.parts), values


@pytest.mark.parametrize("column_type", EQUAL_OR_NOT)
def test_groups_give_what_rows_give(postgres: Server, column_type: str) -> None:
    values, pattern, in_set = EQUAL_OR_NOT[column_type]
    with postgres.connect(autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS dms_grouped")
        connection.execute(f"CREATE TABLE dms_grouped (v {column_type}, n text)")
        for number, value in enumerate([None, *values]):
            for _ in range(number + 1):
                connection.execute("INSERT INTO dms_grouped VALUES (%s, 'p')", (value,))
        connection.execute("ANALYZE dms_grouped")
        (different,) = connection.execute("SELECT COUNT(DISTINCT v) FROM dms_grouped").fetchone()
    rules = [
        AuditRule(metric=metric, column="v", check=">= 0")
        for metric in ("null_count", "null_rate", "length_min", "length_max")
    ]
    rules.append(AuditRule(metric="in_set_rate", column="v", values=in_set, check=">= 0"))
    if pattern is not None:
        rules.append(AuditRule(metric="match_rate", column="v", pattern=pattern, check=">= 0"))
    if column_type in ("numeric", "double precision"):
        rules += [AuditRule(metric=metric, column="v", check=">= 0") for metric in ("min", "max")]
    of_groups, by_rows = computed(rules)
    assert of_groups == 0
    distinct = AuditRule(metric="distinct_count", column="v", check=">= 0")
    of_groups, by_groups = computed([*rules, distinct])
    asked = {part for rule in [*rules, distinct] for part in METRICS[str(rule.metric)].parts}
    assert of_groups == len(asked)
    assert str(by_groups) == str([*by_rows, Decimal(different)])


def test_a_table_that_nobody_has_analyzed_is_not_grouped_by_texts(postgres: Server) -> None:
    """PostgreSQL expects 200 values of each of its columns, of a unique one, too."""
    rules = [AuditRule(metric="distinct_count", column="v", check=">= 0")]
    rules.append(AuditRule(metric="match_rate", column="v", pattern="7", check=">= 0"))
    with postgres.connect(autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS dms_grouped")
        connection.execute("CREATE TABLE dms_grouped (v text) WITH (autovacuum_enabled = off)")
        connection.execute("INSERT INTO dms_grouped SELECT n % 300 FROM generate_series(1, 10000) n")
        assert computed(rules)[0] == 1
        connection.execute("ANALYZE dms_grouped")
    assert computed(rules)[0] == 3
