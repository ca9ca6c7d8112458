"""Audits as tasks: what fails, what warns, what is written, and what is never shown."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dev.services import Server
from dms_provider.audit.history import Values
from dms_provider.audit.rules import AuditRule, WrongRule
from dms_provider.operators.audit import AUDIT_XCOM_KEY, AuditFailed, AuditOperator
from dms_provider.operators.base import MisplacedData, SpecText
from dms_provider.sessions.session import SessionStopped
from dms_provider.sessions.source import SourceError
from dms_provider.variables.scope import FlowScope
from dms_provider.variables.values import Data
from tests.dms_provider.databases import Database, wait_until
from tests.dms_provider.operators.running import Log, TaskInstance, context_of, run

ROWS = [
    (1, "EWR", 5, "N1"),
    (2, "JFK", 50, "N2"),
    (3, None, 500, "N3"),
    (4, "<b>", 7, "N4"),
    (5, "EWR", 8, None),
]


@pytest.fixture
def flights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database file with a table, as connection ``source``."""
    path = tmp_path / "flights.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE flights (id integer, origin text, delay integer, tail text)")
        connection.executemany("INSERT INTO flights VALUES (?, ?, ?, ?)", ROWS)
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", f"sqlite://{quote(str(path), safe='')}")
    return tmp_path


def rule(check: str, metric: str | None = "row_count", column: str | None = None, **more: Any) -> AuditRule:
    return AuditRule(check=check, metric=metric, column=column, **more)


def audit(*rules: AuditRule, **arguments: Any) -> AuditOperator:
    for name in ("table", "where", "report"):
        if name in arguments:
            arguments[name] = SpecText(arguments[name])
    given: dict[str, Any] = {"table": SpecText("flights"), "owner": "alice", "conn_id": "source"}
    return AuditOperator(task_id="quality", rules=rules, **{**given, **arguments})


def begin(
    operator: AuditOperator,
    *,
    earlier: dict[str, list[Any]] | None = None,
    conf: dict[str, Any] | None = None,
) -> tuple[TaskInstance, list[str]]:
    """Execute an audit behind earlier runs, or in a run with a conf."""
    context: Any = context_of(operator)
    context["ti"].earlier = earlier or {}
    context["dag_run"].conf = conf or {}
    log = Log()
    operator._cached_logger = log  # type: ignore[assignment]  # where Airflow keeps the logger of an object
    operator.render_template_fields(context)
    operator.begin(context)
    return context["ti"], log.lines


def log_of(operator: AuditOperator) -> list[str]:
    log = operator._cached_logger
    assert isinstance(log, Log)
    return log.lines


def report_in(folder: Path) -> dict[str, Any]:
    (path,) = folder.rglob("*.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_a_good_table_passes_and_says_so(flights: Path) -> None:
    outcome = run(audit(rule("== 5"), rule("<= 0.2", "null_rate", "origin")))
    assert outcome.result == outcome.ti.pushed[AUDIT_XCOM_KEY]
    assert outcome.result["verdict"] == "passed"
    assert outcome.result["report"] is None
    assert [(one["rule"], one["value"]) for one in outcome.result["rules"]] == [
        ("row_count", "5"),
        ("null_rate origin", "0.2"),
    ]
    assert "passed: row_count: 5, must be == 5" in outcome.log


def test_a_broken_rule_fails_behind_the_report_and_is_named(flights: Path) -> None:
    operator = audit(
        rule("> 9", name="rows"),
        rule("<= 100", "max", "delay"),
        rule("== 5", severity="warn", name="five"),
        rule("== 4", severity="warn", name="four"),
        report=str(flights / "reports"),
    )
    with pytest.raises(AuditFailed) as failed:
        run(operator)
    assert str(failed.value).startswith(
        "2 rules are broken: rows: 5, must be > 9; max delay: 500, must be <= 100; report: /"
    )
    assert "WARNING warning: four: 5, must be == 4" in log_of(operator)
    report = report_in(flights / "reports")
    assert [one["verdict"] for one in report["rules"]] == ["failed", "failed", "passed", "warning"]
    assert report["rules"][1]["sample"]["rows"] == [["3", None, "500", "N3"]]
    (page,) = (flights / "reports").rglob("*.html")
    assert str(page) in str(failed.value)


def test_the_node_may_only_warn(flights: Path) -> None:
    outcome = run(audit(rule("> 9"), severity="warn"))
    assert outcome.result["verdict"] == "warning"
    assert "WARNING warning: row_count: 5, must be > 9" in outcome.log
    with pytest.raises(AuditFailed):
        run(audit(rule("> 9"), rule("> 9", name="hard", severity="fail"), severity="warn"))


def test_sensitive_columns_are_never_shown(flights: Path) -> None:
    rules = (
        rule("<= 100", "max", "delay"),
        rule("== 0", "null_count", "tail"),
        rule("== 9", "sum", "id"),
        rule("<= 0", "duplicate_count", "origin"),
    )
    folder = flights / "reports"
    run(audit(*rules, severity="warn", report=str(folder), sensitive=["TAIL", '"Id"', "origin"]))
    texts = [path.read_text() for path in folder.rglob("*.*")]
    assert len(texts) == 2
    assert not [cell for text in texts for cell in ("N1", "N3", "EWR", "JFK", ">15<") if cell in text]
    samples = [one["sample"] for one in report_in(folder)["rules"]]
    assert samples[0] == {"columns": ["delay"], "rows": [["500"]], "note": None}
    assert samples[1] == {"columns": ["delay"], "rows": [["8"]], "note": None}
    assert samples[3] == {"columns": [], "rows": [], "note": "the column is sensitive"}
    total = report_in(folder)["rules"][2]
    assert (total["value"], total["hidden"]) == (None, True)


def test_the_age_of_a_sensitive_cell_tells_the_cell(flights: Path) -> None:
    with sqlite3.connect(flights / "flights.db") as connection:
        connection.execute("ALTER TABLE flights ADD COLUMN born text DEFAULT '2001-02-03'")
    outcome = run(audit(rule("> 0", "freshness", "born"), sensitive=["born"]))
    (found,) = outcome.result["rules"]
    assert (found["value"], found["hidden"], found["verdict"]) == (None, True, "passed")
    assert any("freshness born: hidden, as the column is sensitive" in line for line in outcome.log)


def test_earlier_values_make_the_bound(flights: Path) -> None:
    usual = rule("within 20% of last 3", name="usual")
    now = datetime(2023, 8, 3, 3, tzinfo=timezone.utc)

    def outcome(values: Sequence[int]) -> TaskInstance:
        earlier: dict[str, list[Any]] = {}
        for day, value in enumerate(values, 1):
            numbers = dict.fromkeys(usual.identities("flights", ""), Decimal(value))
            kept = Values(now - timedelta(days=day), now, numbers)
            for key in kept.xcom_keys():
                earlier.setdefault(key, []).append(kept.to_xcom())
        ti, _ = begin(audit(usual), earlier=earlier)
        return ti

    def rule_of(ti: TaskInstance) -> dict[str, Any]:
        (found,) = ti.pushed[AUDIT_XCOM_KEY]["rules"]
        return dict(found)

    assert rule_of(outcome([5, 5, 5, 900]))["bound"] == "within 20% of 5, the mean of the last 3"
    assert rule_of(outcome([4, 6, 5]))["verdict"] == "passed"
    assert "not judged" in rule_of(outcome([5, 5]))["note"]
    with pytest.raises(AuditFailed, match=r"usual: 5, must be within 20% of 8, the mean of the last 3"):
        outcome([8, 8, 8])
    left = outcome([]).pushed
    assert [key for key in left if key.startswith("dms_audit_values_")] == [
        "dms_audit_values_2023-08-03",
        "dms_audit_values_2023-08",
    ]


def test_values_of_variables(flights: Path) -> None:
    rules = (
        rule("== ${expected}"),
        rule("between ${low} and 500", "max", "${column}"),
        rule("== ${expected}", None, sql="SELECT count(*) FROM flights WHERE id <> '${word}'"),
    )
    given = {"before": {"expected": Data(("5",)), "word": Data(("it's",)), "column": Data(("delay",))}}
    inputs = dict.fromkeys(("expected", "word", "column"), "before")
    outcome = run(audit(*rules, inputs=inputs, scope=FlowScope(constants={"low": "5"})), given)
    assert outcome.result["verdict"] == "passed"
    given["before"]["expected"] = Data(("many",))
    with pytest.raises(AuditFailed, match="its value 'many' is none"):
        run(audit(*rules, inputs=inputs, scope=FlowScope(constants={"low": "5"})), given)


def test_no_data_says_where_a_report_goes(flights: Path) -> None:
    given = {"before": {"folder": Data(("../../etc",))}}
    with pytest.raises(MisplacedData, match="report: no data may stand in it"):
        run(audit(rule("> 0"), report="reports/${folder}", inputs={"folder": "before"}), given)
    outcome = run(audit(rule("> 0"), report=f"{flights}/${{flow_id}}"))
    assert outcome.result["report"].startswith(f"{flights}/flow/flow/quality/")


def test_secrets_are_nowhere(flights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_KEY", "top-s3cret")
    operator = audit(
        rule("> 9", None, sql="SELECT count(*) FROM flights WHERE tail <> '${token}'", name="own"),
        rule("> 9"),
        where="origin IS NULL OR origin <> '${token}'",
        report=str(flights / "reports"),
        scope=FlowScope(secrets={"token": "key"}),
    )
    with pytest.raises(AuditFailed) as failed:
        run(operator)
    texts = [path.read_text() for path in (flights / "reports").rglob("*.*")]
    for text in (*texts, *log_of(operator), str(failed.value)):
        assert "s3cret" not in text
    assert "***" in texts[0]


def test_a_dry_run_shows_the_statements_and_leaves_nothing(flights: Path) -> None:
    operator = audit(
        rule("> 0"),
        rule("> 0", None, sql="SELECT ${n} FROM nowhere"),
        report=str(flights / "reports"),
        where="id > ${n}",
        inputs={"n": "before"},
    )
    ti, log = begin(operator, conf={"dms": {"dry_run": True}})
    statements = [line for line in log if line.startswith("Statement ")]
    assert statements == [
        "Statement 1 for source: SELECT COUNT(*)\nFROM `flights`\nWHERE (\nid > ${n}\n)",
        "Statement 2 for source: SELECT ${n} FROM nowhere",
    ]
    assert ti.pushed == {}
    assert not (flights / "reports").exists()


def test_what_cannot_be_asked_fails_with_a_reason(flights: Path) -> None:
    for wrong, problem in (
        (audit(rule("> 0", "max", "nowhere")), r"Scan 1 failed on source: no such column"),
        (audit(rule("> 0"), where="1 = 1) OR ("), "'where' is no balanced expression in SQLite"),
        (audit(rule("> 0", "max", "origin")), r"rule 'max origin': a check compares numbers"),
        (audit(rule("> 0", "freshness", "delay")), r"rule 'freshness delay': freshness needs a column"),
    ):
        with pytest.raises(AuditFailed, match=problem):
            run(wrong)
    with pytest.raises(SourceError, match="may not be used by flows of bob"):
        _for_alice_only(flights)


def _for_alice_only(flights: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(
            "AIRFLOW_CONN_SOURCE",
            f"sqlite://{quote(str(flights / 'flights.db'), safe='')}/?allowed_owners=alice",
        )
        run(audit(rule("> 0"), owner="bob"))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"check": "> 0"}, "give metric or sql"),
        ({"check": "> 0", "metric": "row_count", "sql": "SELECT 1"}, "give metric or sql"),
        ({"check": "> 0", "metric": "rows"}, "'rows' is no metric"),
        ({"check": "> 0", "metric": "max"}, "max needs column"),
        ({"check": "> 0", "metric": "row_count", "column": "a"}, "row_count takes no column"),
        ({"check": "> 0", "metric": "match_rate", "column": "a"}, "match_rate needs pattern"),
        ({"check": "> 0", "metric": "max", "column": "a", "values": ["x"]}, "max takes no values"),
        ({"check": "> 0", "sql": "SELECT 1", "column": "a"}, "sql takes no column"),
        ({"check": "=> 0", "metric": "row_count"}, "did you mean '>= 0'"),
        ({"check": "> 0", "metric": "row_count", "severity": "bad"}, "write fail or warn"),
    ],
)
def test_rules_that_cannot_be(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(WrongRule, match=problem):
        AuditRule(**arguments)


def test_names_of_rules_are_their_own() -> None:
    with pytest.raises(WrongRule, match="two rules are called 'a'"):
        audit(rule("> 0", name="a"), rule("> 1", name="a"))
    assert audit(rule("> 0"), rule("> 1")).rules[1].label == "row_count"


SLOW = {
    "postgres": "(SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000) b) > 0",
    "mariadb": "(SELECT count(*) FROM seq_1_to_100000000 a JOIN seq_1_to_100000000 b ON a.seq < b.seq * 2)"
    " > 0",
}


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_a_kill_stops_the_scan_on_the_server(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: Server = request.getfixturevalue(f"{kind}_server")
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", server.airflow_uri)
    database = Database(kind, "source", server, server.airflow_uri)
    connection = server.connect()
    connection.cursor().execute("DROP TABLE IF EXISTS dms_slow")
    connection.cursor().execute("CREATE TABLE dms_slow (n integer)")
    connection.cursor().execute("INSERT INTO dms_slow VALUES (1)")
    connection.commit()
    connection.close()
    operator = audit(rule("> 0"), table="dms_slow", where=SLOW[kind])

    def kill() -> None:
        wait_until(lambda: any("dms_slow" in text for text in database.statements_running()), "the scan")
        operator.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(SessionStopped):
        run(operator)
    killer.join()
    wait_until(lambda: not any("dms_slow" in text for text in database.statements_running()), "its end")
    with pytest.raises(SessionStopped):
        operator.do_work(context_of(operator))  # type: ignore[arg-type]  # as much as is used


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_thirty_rules_are_two_statements_of_the_server(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted by the server: PostgreSQL's scans of the table, MariaDB's log of statements.

    On PostgreSQL the second statement groups by each of the three columns for itself.
    """
    server: Server = request.getfixturevalue(f"{kind}_server")
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", server.airflow_uri)
    connection = server.connect()
    cursor = connection.cursor()
    for statement in (
        "DROP TABLE IF EXISTS dms_thirty",
        "CREATE TABLE dms_thirty (a integer, b integer, c varchar(9))",
        "INSERT INTO dms_thirty VALUES (1, 2, 'x'), (1, 3, NULL)",
    ):
        cursor.execute(statement)
    connection.commit()
    metrics = ("null_count", "null_rate", "min", "max", "sum", "avg", "stddev")
    counted = ("distinct_count", "duplicate_count", "unique_rate")
    rules = [
        rule("> 0"),
        *(rule(">= 0", metric, column) for metric in (*metrics, *counted) for column in ("a", "b")),
        *(rule(">= 0", metric, "c") for metric in ("null_rate", "length_min", "length_max", *counted)),
        rule(">= 0", "match_rate", "c", pattern="x"),
        rule(">= 0", "match_rate", "c", pattern="y"),
        rule(">= 0", "in_set_rate", "c", values=["x"]),
    ]
    assert len(rules) == 30
    if kind == "postgres":
        assert run(audit(*rules, table="dms_thirty")).result["verdict"] == "passed"
        wait_until(lambda: _scans(connection) == 4, "one scan, and one for each column with distinct counts")
    else:
        cursor.execute("SET GLOBAL log_output = 'TABLE'")
        cursor.execute("TRUNCATE mysql.general_log")
        cursor.execute("SET GLOBAL general_log = 1")
        try:
            assert run(audit(*rules, table="dms_thirty")).result["verdict"] == "passed"
        finally:
            cursor.execute("SET GLOBAL general_log = 0")
        cursor.execute("SELECT argument FROM mysql.general_log WHERE argument LIKE '%FROM `dms_thirty`%'")
        assert len(cursor.fetchall()) == 2
    connection.close()


def _scans(connection: Any) -> int:
    connection.rollback()
    cursor = connection.cursor()
    cursor.execute("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'dms_thirty'")
    return int(cursor.fetchone()[0])
