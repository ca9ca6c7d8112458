"""The words of an audit in a spec, in the operator and in the preview."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.providers_manager import ProvidersManager
from airflow.serialization.serialized_objects import DagSerialization

from dag_factory.builder import build_dag
from dag_factory.cli.main import main
from dag_factory.validation import validate_file
from dms_provider.audit.rules import AuditRule
from dms_provider.operators.audit import AuditOperator

SPEC = """\
version: 1
owner: alice
constants: {expected: "5"}
nodes:
  read:
    type: sql_assignment
    database: warehouse
    sql: SELECT 1
    outputs: {region: {row: 0, column: 0}}
  quality:
    type: audit
    after: [read]
    database: warehouse
    table: ops.flights
    where: region = '${region}' -- 5%
    report: reports/${flow_id}
    severity: warn
    sensitive: [tail]
    timeout: 1h
    rules:
      - {name: rows, metric: row_count, check: "== ${expected}", severity: fail}
      - {metric: match_rate, column: order, pattern: "^[a-z]{2}$", check: ">= 0.99"}
      - {metric: in_set_rate, column: origin, values: [EWR, "O'Hare"], check: == 1}
      - {metric: distinct_count, column: origin, check: within 20% of last 7}
      - {name: own, sql: "SELECT count(*) FROM x WHERE r = '${region}'", check: between 0 and 1}
  plain:
    type: audit
    database: warehouse
    table: flights
    rules: [{metric: row_count, check: "> 0"}]
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "checked.flow.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


def test_every_word_reaches_the_operator(spec: Path) -> None:
    dag = build_dag(validate_file(spec))
    quality, plain = dag.get_task("quality"), dag.get_task("plain")
    assert isinstance(quality, AuditOperator)
    assert isinstance(plain, AuditOperator)
    assert (quality.conn_id, quality.table) == ("warehouse", "ops.flights")
    assert (quality.where, quality.report) == ("region = '${region}' -- 5%", "reports/${flow_id}")
    assert (quality.severity, quality.sensitive) == ("warn", ("tail",))
    assert quality.execution_timeout == timedelta(hours=1)
    assert quality.inputs == {"region": "read"}
    assert quality.rules == (
        AuditRule("== ${expected}", metric="row_count", name="rows", severity="fail"),
        AuditRule(">= 0.99", metric="match_rate", column="order", pattern="^[a-z]{2}$"),
        AuditRule("== 1", metric="in_set_rate", column="origin", values=("EWR", "O'Hare")),
        AuditRule("within 20% of last 7", metric="distinct_count", column="origin"),
        AuditRule("between 0 and 1", sql="SELECT count(*) FROM x WHERE r = '${region}'", name="own"),
    )
    assert (plain.where, plain.report, plain.severity, plain.sensitive) == ("", "", "fail", ())
    assert plain.execution_timeout == timedelta(hours=4)
    stored = DagSerialization.to_dict(dag)
    json.dumps(stored)
    (task,) = [task["__var"] for task in stored["dag"]["tasks"] if task["__var"]["task_id"] == "quality"]
    assert task["_operator_extra_links"] == {"Audit report": "_link_AuditReportLink"}
    assert "dms_provider.operators.links.AuditReportLink" in ProvidersManager().extra_links_class_names


def preview(spec: Path, capsys: pytest.CaptureFixture[str], dialect: str) -> dict[str, object]:
    words = ("--run-time", "2023-08-04T02:55", "--output", "json", "--dialect", dialect, "--node", "quality")
    main(["preview", str(spec), *words])
    found: dict[str, object] = json.loads(capsys.readouterr().out)["nodes"]["quality"]
    return found


def test_the_preview_shows_the_statements(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = "\nFROM `ops`.`flights`\nWHERE (\nregion = '${region}' -- 5%\n)"
    assert preview(spec, capsys, "mysql")["statements"] == [
        "SELECT COUNT(*),\n"
        "  COUNT(`order` REGEXP '^[a-z]{2}$' OR NULL),\n"
        "  COUNT(`order`),\n"
        "  COUNT(`origin` IN ('EWR', 'O''Hare') OR NULL),\n"
        f"  COUNT(`origin`){where}",
        f"SELECT COUNT(DISTINCT `origin`){where}",
        "SELECT count(*) FROM x WHERE r = '${region}'",
    ]


def test_the_preview_tells_what_the_database_cannot(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = str(preview(spec, capsys, "mssql")["error"])
    assert "match_rate cannot be computed here: SQL Server has no regular expressions" in error
