"""Every metric on real databases, beside Python over the same rows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dms_provider.audit.metrics import METRICS
from dms_provider.audit.plan import WrongAudit
from dms_provider.audit.rules import AuditRule
from dms_provider.audit.run import AuditRun
from dms_provider.variables.values import AuthorText, Data, Value
from tests.dms_provider.databases import Database
from tests.dms_provider.operators.running import Log

PATTERN = "^[a-c]+x?$"
SET = ("a", "it's", "b\\", "%s", "语")
TEXTS = st.one_of(st.none(), st.sampled_from([*SET, "ab", "abx", "Ab", "  pad", "", "a\nb"]))
AMOUNTS = st.one_of(st.none(), st.decimals(min_value=-(10**12), max_value=10**12, places=4))
ROWS = st.lists(st.tuples(AMOUNTS, TEXTS), max_size=12)

COLUMNS = {
    "postgres": 'id integer, "Order" numeric(30, 4), word text, seen timestamp',
    "mariadb": "id integer, `Order` decimal(30, 4), word varchar(40) COLLATE utf8mb4_bin, seen datetime",
    "mysql": "id integer, `Order` decimal(30, 4), word varchar(40) COLLATE utf8mb4_bin, seen datetime",
    "oceanbase": "id integer, `Order` decimal(30, 4), word varchar(40) COLLATE utf8mb4_bin, seen datetime",
    "sqlite": "id integer, `Order` numeric, word text, seen text",
}
ALL = [
    AuditRule(metric="row_count", check=">= 0"),
    *(
        AuditRule(metric=metric, column="Order", check=">= 0")
        for metric in ("null_count", "null_rate", "distinct_count", "duplicate_count", "unique_rate")
    ),
    *(AuditRule(metric=metric, column="Order", check=">= 0") for metric in ("min", "max", "sum", "avg")),
    AuditRule(metric="stddev", column="Order", check=">= 0"),
    AuditRule(metric="length_min", column="word", check=">= 0"),
    AuditRule(metric="length_max", column="word", check=">= 0"),
    AuditRule(metric="match_rate", column="word", pattern=PATTERN, check=">= 0"),
    AuditRule(metric="in_set_rate", column="word", values=SET, check=">= 0"),
    AuditRule(metric="null_rate", column="word", check=">= 0"),
    AuditRule(metric="distinct_count", column="word", check=">= 0"),
]


class Table:
    """A table of one of the databases, filled anew for each example."""

    def __init__(self, database: Database) -> None:
        self.kind = database.kind
        if database.server is None:
            self.connection: Any = sqlite3.connect(unquote(database.uri.removeprefix("sqlite://")))
        else:
            self.connection = database.server.connect()
        self.mark = "?" if self.kind == "sqlite" else "%s"
        self.execute("DROP TABLE IF EXISTS dms_audited")
        self.execute(f"CREATE TABLE dms_audited ({COLUMNS[self.kind]})")

    def execute(self, sql: str, *parameters: Any) -> None:
        with closing(self.connection.cursor()) as cursor:
            cursor.execute(sql, parameters) if parameters else cursor.execute(sql)
        self.connection.commit()

    def fill(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self.execute("DELETE FROM dms_audited")
        if not rows:
            return
        flat = [
            float(cell) if isinstance(cell, Decimal) and self.kind == "sqlite" else cell
            for number, row in enumerate(rows)
            for cell in (number, *row)
        ]
        name = '"Order"' if self.kind == "postgres" else "`Order`"
        marks = ", ".join([f"({self.mark}, {self.mark}, {self.mark})"] * len(rows))
        self.execute(f"INSERT INTO dms_audited (id, {name}, word) VALUES {marks}", *flat)


@pytest.fixture
def table(database: Database) -> Any:
    made = Table(database)
    yield made
    made.connection.close()


def computed(
    database: Database, rules: Sequence[AuditRule], where: str = "", known: dict[str, Value] | None = None
) -> list[Decimal | None]:
    return AuditRun(database.source(), Log()).values("dms_audited", where, rules, known or {})[1]


def expected(rule: AuditRule, rows: Sequence[tuple[Decimal | None, str | None]]) -> Decimal | None:
    """What a metric is, told once more, over rows in Python."""
    if rule.metric == "row_count":
        return Decimal(len(rows))
    cells: list[Any] = [row[0 if rule.column == "Order" else 1] for row in rows]
    there = [cell for cell in cells if cell is not None]
    missing = len(cells) - len(there)
    if rule.metric == "null_count":
        return Decimal(missing)
    if rule.metric == "distinct_count":
        return Decimal(len(set(there)))
    if rule.metric == "duplicate_count":
        return Decimal(len(there) - len(set(there)))
    if rule.metric == "null_rate":
        return Decimal(missing) / len(cells) if cells else None
    if not there:
        return None
    count = len(there)
    found: dict[str, Any] = {
        "unique_rate": lambda: Decimal(len(set(there))) / count,
        "min": lambda: min(there),
        "max": lambda: max(there),
        "sum": lambda: sum(there),
        "avg": lambda: sum(there) / count,
        "stddev": lambda: (sum((cell - sum(there) / count) ** 2 for cell in there) / count).sqrt(),
        "length_min": lambda: Decimal(min(map(len, there))),
        "length_max": lambda: Decimal(max(map(len, there))),
        "match_rate": lambda: Decimal(sum(1 for cell in there if re.search(PATTERN, cell))) / count,
        "in_set_rate": lambda: Decimal(sum(1 for cell in there if cell in SET)) / count,
    }
    return Decimal(found[str(rule.metric)]())


def test_every_metric_is_asked() -> None:
    assert {rule.metric for rule in ALL} | {"freshness"} == set(METRICS)


def test_values_are_those_of_python(database: Database, table: Table) -> None:
    is_exact = database.kind != "sqlite"

    @settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(ROWS)
    def compare(rows: list[tuple[Decimal | None, str | None]]) -> None:
        table.fill(rows)
        for rule, value in zip(ALL, computed(database, ALL), strict=True):
            wanted = expected(rule, rows)
            if value is None or wanted is None:
                assert value is wanted, rule.label
            elif rule.metric in ("min", "max", "sum") and is_exact:
                assert value == wanted, rule.label
            else:
                tolerance = max(abs(wanted), max((abs(cell) for cell, _ in rows if cell), default=1), 1)
                assert abs(value - wanted) <= tolerance * Decimal("1e-9"), rule.label

    compare()


def test_an_empty_table_has_counts_and_nothing_else(database: Database, table: Table) -> None:
    values = dict(zip([(rule.metric, rule.column) for rule in ALL], computed(database, ALL), strict=True))
    there = {key[0]: value for key, value in values.items() if value is not None}
    assert there == dict.fromkeys(
        ("row_count", "null_count", "distinct_count", "duplicate_count"), Decimal(0)
    )


# SQLite has no decimals.
@pytest.mark.parametrize("database", ["postgres", "mariadb", "mysql", "oceanbase"], indirect=True)
def test_decimals_keep_every_digit(database: Database, table: Table) -> None:
    table.fill([(Decimal("12345678901234567890.1234"), None), (Decimal("0.0001"), None)])
    total, mean = computed(database, [rule for rule in ALL if rule.metric in ("sum", "avg")])
    assert total == Decimal("12345678901234567890.1235")
    assert mean == Decimal("6172839450617283945.06175")


def test_where_counts_and_its_data_stays_data(database: Database, table: Table) -> None:
    table.fill([(Decimal(number), word) for number, word in enumerate(["a", "it's", "' OR 1=1 -- ", None])])
    rules = [
        AuditRule(metric="row_count", check="> 0"),
        AuditRule(metric="distinct_count", column="word", check="> 0"),
    ]
    for word in ("it's", "' OR 1=1 -- "):
        known: dict[str, Value] = {"word": Data((word,)), "most": AuthorText("2")}
        assert computed(database, rules, "word = '${word}' AND id <= ${most} -- %s", known) == (
            [Decimal(1), Decimal(1)]
        )
    with pytest.raises(WrongAudit, match="no balanced expression"):
        computed(database, rules, "1 = 1) OR (1 = 1; --")


def test_freshness_is_the_age_of_the_newest_in_seconds(database: Database, table: Table) -> None:
    rule = [AuditRule(metric="freshness", column="seen", check="< 60")]
    assert computed(database, rule) == [None]
    now = {
        "postgres": "LOCALTIMESTAMP - interval '2 hours'",
        "sqlite": "datetime('now', '-2 hours')",
    }.get(database.kind, "NOW() - INTERVAL 2 HOUR")
    table.fill([(None, "a"), (None, "b")])
    table.execute(f"UPDATE dms_audited SET seen = {now} WHERE id = 0")
    (age,) = computed(database, rule)
    assert age is not None
    assert 7199 <= age <= 7200 + 600


def test_queries_of_the_author(database: Database, table: Table) -> None:
    table.fill([(Decimal(5), "a"), (Decimal(6), "it's")])
    ask = [
        AuditRule(sql="SELECT count(*) FROM dms_audited WHERE word = '${word}'", check="> 0", name="one"),
        AuditRule(sql="SELECT id FROM dms_audited WHERE id > 99", check="> 0", name="none"),
    ]
    assert computed(database, ask, "id > 50", {"word": Data(("it's",))}) == [Decimal(1), None]
    for sql, problem in (
        ("SELECT id FROM dms_audited", "several rows"),
        ("SELECT id, id FROM dms_audited WHERE id = 0", "2 columns"),
        ("SELECT word FROM dms_audited WHERE id = 0", "a check compares numbers"),
        ("DELETE FROM dms_audited", "must be one SELECT"),
        ("SELECT 1 FROM nowhere_at_all", "The query of rule 'bad' failed on source"),
    ):
        with pytest.raises(ValueError, match=problem):
            computed(database, [AuditRule(sql=sql, check="> 0", name="bad")])
    assert computed(database, ask[:1], known={"word": Data(("a",))}) == [Decimal(1)]


def test_a_metric_that_is_no_number_is_refused_with_its_rule(database: Database, table: Table) -> None:
    table.fill([(None, "a")])
    with pytest.raises(ValueError, match=r"rule 'max word': a check compares numbers"):
        computed(database, [AuditRule(metric="max", column="word", check="> 0")])


class Writing(Log):
    """Writes a row behind each scan, and keeps the lines."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.table = table
        self.scans = 0

    def info(self, text: str, *arguments: Any) -> None:
        super().info(text, *arguments)
        if text.endswith("%.3f s"):
            self.scans += 1
            self.table.execute(f"INSERT INTO dms_audited (id, word) VALUES ({100 + self.scans}, 'new')")


@pytest.fixture
def forgetful(database: Database, table: Table) -> Iterator[None]:
    """Let every transaction see what was committed in between, where nobody asks for another one."""
    set_level = "SET GLOBAL TRANSACTION ISOLATION LEVEL {}"
    if database.kind == "sqlite":
        table.connection.execute("PRAGMA journal_mode = WAL")
    if not database.is_mysql:
        yield
        return
    table.execute(set_level.format("READ COMMITTED"))
    yield
    table.execute(set_level.format("REPEATABLE READ"))


@pytest.mark.usefixtures("forgetful")
def test_all_scans_see_the_same_rows(database: Database, table: Table) -> None:
    table.fill([(Decimal(number), word) for number, word in enumerate("abc")])
    log = Writing(table)
    rules = [
        AuditRule(metric="row_count", check=">= 0"),
        AuditRule(metric="distinct_count", column="id", check=">= 0"),
    ]
    assert AuditRun(database.source(), log).values("dms_audited", "", rules, {})[1] == [3, 3]
    assert log.scans == 2
    assert computed(database, rules) == [5, 5]
    assert not [line for line in log.lines if line.startswith("WARNING")]
