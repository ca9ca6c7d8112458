"""A dry run: everything is shown, nothing is touched, and what would fail fails."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from dms_provider.audit.rules import AuditRule
from dms_provider.operators.audit import AuditOperator
from dms_provider.operators.base import FlowOperator, SpecText
from dms_provider.operators.conditional_branch import ConditionalBranchOperator
from dms_provider.operators.outputs import Output
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.operators.sql_assignment import SQLAssignmentOperator
from dms_provider.operators.unload import UnloadOperator
from dms_provider.policies.dag import apply_policies
from dms_provider.policies.rules import FlowPolicies
from dms_provider.variables.scope import FlowScope
from tests.dms_provider.operators.running import Log, context_of
from tests.dms_provider.policies.conftest import supervisor
from tests.dms_provider.policies.supervisor import Supervisor, run_node

__all__ = ["supervisor"]

SCOPE = FlowScope(constants={"region": "east"}, variables={"month": "yyyyMM|-1M"}, secrets={"token": "key"})
NOBODY_THERE = {"conn_type": "postgres", "host": "192.0.2.1", "login": "me", "password": "pw"}


@pytest.fixture(autouse=True)
def source(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to a server that does not exist, and a secret."""
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps(NOBODY_THERE))
    monkeypatch.setenv("AIRFLOW_VAR_KEY", "sesame")


def dry_run(operator: FlowOperator) -> list[str]:
    """Return what a dry run logs, without the times."""
    context = context_of(operator)
    context["dag_run"].conf = {"dms": {"dry_run": True}}
    log = Log()
    operator._cached_logger = log  # type: ignore[assignment]  # where Airflow keeps the logger of an object
    operator.render_template_fields(context)  # type: ignore[arg-type]  # as much of a context as is used
    assert operator.begin(context) is None  # type: ignore[arg-type]
    assert context["ti"].pushed == {}
    assert log.lines[-1] == "Dry run: nothing was executed"
    return log.lines[1:-1]


def fails(operator: FlowOperator) -> str:
    with pytest.raises(AirflowFailException) as raised:
        dry_run(operator)
    text = str(raised.value)
    assert text.startswith("dry run: this node would fail: ")
    assert raised.value.__cause__ is raised.value.__context__ is None
    return text.removeprefix("dry run: this node would fail: ")


def statements(sql: str, **arguments: Any) -> SingleInstanceSQLOperator:
    given: dict[str, Any] = {"task_id": "load", "conn_id": "source", "scope": SCOPE, **arguments}
    return SingleInstanceSQLOperator(sql=SpecText(sql), **given)


def assignment(sql: str, **arguments: Any) -> SQLAssignmentOperator:
    return SQLAssignmentOperator(
        task_id="late",
        conn_id="source",
        scope=SCOPE,
        sql=SpecText(sql),
        outputs={"x": Output(0, 0)},
        **arguments,
    )


def test_statements_are_shown_one_by_one() -> None:
    shown = dry_run(
        statements(
            "INSERT INTO r_${month} VALUES ('${bizdate}', '${region}', '${token}', ';', '${run_id}');\n"
            "-- a comment\nUPDATE t SET n = ${late} WHERE d = '${day}'",
            variables={"day": "dd"},
            inputs={"late": "count"},
        )
    )
    assert shown == [
        "Statement 1 (line 1) for source: INSERT INTO r_202307"
        " VALUES ('2023-08-03', 'east', '***', ';', 'manual__1')",
        "Statement 2 (line 3) for source: -- a comment\nUPDATE t SET n = ${late} WHERE d = '03'",
    ]


def test_they_are_split_as_the_dialect_does(monkeypatch: pytest.MonkeyPatch) -> None:
    sql = "CREATE FUNCTION f() RETURNS int AS $$ BEGIN RETURN 1; END $$ LANGUAGE plpgsql; SELECT f()"
    assert len(dry_run(statements(sql))) == 2
    sql = "DELIMITER //\nSELECT 1; SELECT 2//\nDELIMITER ;\nSELECT 3"
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps({**NOBODY_THERE, "conn_type": "mysql"}))
    assert [line.split(": ", 1)[1] for line in dry_run(statements(sql))] == ["SELECT 1; SELECT 2", "SELECT 3"]


def test_a_query_is_shown_and_leaves_no_outputs() -> None:
    shown = dry_run(assignment("SELECT count(*) FROM r_${month} WHERE region = '${region}'"))
    assert shown == ["Statement 1 (line 1) for source: SELECT count(*) FROM r_202307 WHERE region = 'east'"]


@pytest.mark.parametrize(
    ("operator", "says"),
    [
        (lambda: statements("SELECT 1", conn_id="nowhere"), "connection nowhere does not exist; create it"),
        (
            lambda: statements("SELECT 1", conn_id="http"),
            "connection http: connection type 'http' cannot run SQL here",
        ),
        (
            lambda: statements("SELECT 1", conn_id="guarded", owner="mallory"),
            "not be used by flows of mallory",
        ),
        (lambda: statements("-- nothing"), "there is no statement in the text of this node"),
        (lambda: statements("SELECT ${nothing}"), "${nothing} is not defined here"),
        (lambda: statements("SELECT ${no name}"), "${no name} is no reference"),
        (lambda: statements("SELECT ${run_id}"), "${run_id}"),
        (lambda: statements("SELECT /*+ ${late} */ 1", inputs={"late": "count"}), "${late}"),
        (
            lambda: statements("SELECT '${token}'", scope=FlowScope(secrets={"token": "none"})),
            "Variable none",
        ),
        (lambda: statements("VACUUM; SELECT 1", transaction=True), "line 1: VACUUM commits by itself"),
        (lambda: statements("SELECT 1", conn_id="holo", transaction=True), "has no transactions"),
        (lambda: assignment("SELECT 1; SELECT 2"), "this holds more than one statement"),
        (lambda: unload("oss://http/bucket/x.csv"), "object storage needs type 'oss'"),
        (lambda: audit("oss://nowhere/bucket/reports"), "connection nowhere does not exist"),
        (lambda: audit("oss://source/bucket/reports"), "object storage needs type 'oss'"),
        (lambda: assignment("DELETE FROM t"), "one SELECT belongs here, and in PostgreSQL this begins"),
    ],
)
def test_what_would_fail_fails(monkeypatch: pytest.MonkeyPatch, operator: Any, says: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HTTP", json.dumps({"conn_type": "http"}))
    monkeypatch.setenv("AIRFLOW_CONN_HOLO", json.dumps({**NOBODY_THERE, "conn_type": "hologres"}))
    guarded = {**NOBODY_THERE, "extra": {"allowed_owners": ["alice"]}}
    monkeypatch.setenv("AIRFLOW_CONN_GUARDED", json.dumps(guarded))
    assert says in fails(operator())


def unload(to: str) -> UnloadOperator:
    return UnloadOperator(task_id="unload", conn_id="source", sql=SpecText("SELECT 1"), to=SpecText(to))


def audit(report: str) -> AuditOperator:
    rules = [AuditRule("> 0", metric="row_count")]
    return AuditOperator(task_id="audit", conn_id="source", table="t", rules=rules, report=SpecText(report))


def test_statements_are_shown_before_one_is_refused() -> None:
    operator = statements("INSERT INTO t VALUES (1); VACUUM", transaction=True)
    with pytest.raises(AirflowFailException):
        dry_run(operator)
    log: Any = operator.log
    assert len([line for line in log.lines if line.startswith("Statement")]) == 2


def condition(text: str, **arguments: Any) -> ConditionalBranchOperator:
    with DAG("flow"):
        above = assignment("SELECT 1")
        branch = ConditionalBranchOperator(
            task_id="many", condition=SpecText(text), scope=SCOPE, inputs={"late": "late"}, **arguments
        )
        above >> branch >> statements("SELECT 1")
    return branch


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("${late} > 100 && '${region}' == 'east'", ["${late} > 100 && 'east' == 'east'"]),
        ("'${region}' == 'west'", ["'east' == 'west'", "After success upstream it would be false"]),
        ("one_failed", ["one_failed", "After success upstream it would be false"]),
        ("'${token}' == 'sesame'", ["'***' == 'sesame'"]),
    ],
)
def test_a_condition_counts_as_true_and_skips_nothing(text: str, shown: list[str]) -> None:
    assert dry_run(condition(text)) == [f"Condition, which counts as true: {shown[0]}", *shown[1:]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("${late} >", "of the condition: "),
        ("'${region}' > 1", "at character 1 of the condition: "),
        ("${nothing} > 1", "${nothing} is not defined here"),
    ],
)
def test_a_condition_that_would_fail(text: str, says: str) -> None:
    assert says in fails(condition(text))


def test_a_condition_on_states_needs_a_node_upstream() -> None:
    with DAG("flow"):
        branch = ConditionalBranchOperator(task_id="many", condition=SpecText("all_success"))
    assert "no node directly upstream" in fails(branch)


def test_a_node_without_words_of_its_own_shows_its_fields() -> None:
    class Tells(FlowOperator):
        reference_fields = template_fields = ("text",)

        def __init__(self, *, text: str, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.text = self.plain(text)

        def do_work(self, context: Any) -> None:
            raise AssertionError("it was executed")

    assert dry_run(Tells(task_id="tell", text=SpecText("${bizdate} ${x}"))) == ["text: 2023-08-03 ${x}"]


@pytest.mark.parametrize("sql", ["SELECT 1", "${nothing}"])
def test_under_policies_it_asks_nothing_and_is_not_tried_again(supervisor: Supervisor, sql: str) -> None:
    with DAG("flow") as dag:
        operator = statements(sql)
    apply_policies(dag, FlowPolicies("immediately_stop_all_tasks"))
    ended = run_node(operator, supervisor, {"kind": "dry_run", "dry_run": True}, retries=3)
    assert ended.state == ("success" if sql == "SELECT 1" else "failed")
    assert supervisor.questions == []
    assert [type(msg).__name__ for msg in supervisor.said if type(msg).__name__ == "SetXCom"] == []


def test_no_driver_is_loaded() -> None:
    program = (
        "import json, os, sys\n"
        "from tests.dms_provider.operators.test_dry_run import dry_run, statements\n"
        "os.environ['AIRFLOW_VAR_KEY'] = 'sesame'\n"
        "for conn_type in ('postgres', 'mysql', 'sqlite'):\n"
        "    os.environ['AIRFLOW_CONN_SOURCE'] = json.dumps({'conn_type': conn_type, 'host': '192.0.2.1'})\n"
        "    print(dry_run(statements('SELECT 1')))\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'psycopg', 'psycopg2', 'MySQLdb'}),\n"
        "      [name for name in sys.modules if '.hooks.' in name and 'providers' in name])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[-4:] == ["['Statement 1 (line 1) for source: SELECT 1']"] * 3 + ["[] []"]
