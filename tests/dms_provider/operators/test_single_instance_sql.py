from __future__ import annotations

from typing import Any

import pytest

from dms_provider.operators.base import SpecText
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.operators.sql import StatementFailed
from dms_provider.sessions.session import Session, SessionStopped
from dms_provider.sessions.source import SourceError
from dms_provider.variables.scope import FlowScope
from dms_provider.variables.values import Data
from tests.dms_provider.databases import Database
from tests.dms_provider.operators.running import run

TABLE = "DROP TABLE IF EXISTS dms_t; CREATE TABLE dms_t (n VARCHAR(200))"


@pytest.fixture
def table(database: Database) -> Database:
    execute(TABLE)
    return database


def execute(sql: str, **arguments: Any) -> SingleInstanceSQLOperator:
    given = arguments.pop("given", None)
    arguments = {"task_id": "load", "conn_id": "source", "owner": "alice", "sql": SpecText(sql), **arguments}
    operator = SingleInstanceSQLOperator(**arguments)
    run(operator, given)
    return operator


def rows(database: Database) -> list[str]:
    with Session(database.source()) as session, session.query("SELECT n FROM dms_t ORDER BY n") as query:
        found: list[str] = []
        while not query.at_end:
            found += [str(row[0]) for row in query.fetch(None)]
    return found


def test_statements_run_in_order_and_see_each_other(table: Database) -> None:
    execute(
        "INSERT INTO dms_t VALUES ('a');\n-- a comment; not a statement\n"
        "INSERT INTO dms_t SELECT replace(n, 'a', 'a;b%s') FROM dms_t;"
    )
    assert rows(table) == ["a", "a;b%s"]


def test_author_text_and_data_are_put_in(table: Database) -> None:
    hostile = "it's \\' ${bizdate} -- %s '; DROP TABLE dms_t; --"
    execute(
        "INSERT INTO dms_t VALUES ('${bizdate} ${region} ${month}'); INSERT INTO dms_t VALUES ('${late}')",
        scope=FlowScope(constants={"region": "east"}, variables={"month": "yyyyMM|-1M"}),
        inputs={"late": "count"},
        given={"count": {"late": Data((hostile,))}},
    )
    assert rows(table) == ["2023-08-03 east 202307", hostile]


def test_each_statement_is_kept_until_the_first_error(table: Database) -> None:
    with pytest.raises(StatementFailed, match=r"^Statement 2 \(line 3\) failed on source: .*dms_missing"):
        execute(
            "INSERT INTO dms_t VALUES ('kept');\n\nINSERT INTO dms_missing VALUES (1);\n"
            "INSERT INTO dms_t VALUES ('never')"
        )
    assert rows(table) == ["kept"]


def test_a_transaction_keeps_all_or_nothing(table: Database) -> None:
    with pytest.raises(StatementFailed, match=r"(?s)Statement 2.*nothing of this node's statements is kept"):
        execute("INSERT INTO dms_t VALUES ('a'); INSERT INTO dms_missing VALUES (1)", transaction=True)
    assert rows(table) == []
    execute("INSERT INTO dms_t VALUES ('a'); INSERT INTO dms_t VALUES ('b')", transaction=True)
    assert rows(table) == ["a", "b"]


def test_what_ends_a_transaction_is_refused_before_anything_runs(table: Database) -> None:
    with pytest.raises(
        StatementFailed, match=r"Statement 2 \(line 1\): COMMIT cannot be part of a transaction"
    ):
        execute("INSERT INTO dms_t VALUES ('a'); COMMIT", transaction=True)
    assert rows(table) == []


def test_a_source_without_transactions_is_refused(
    monkeypatch: pytest.MonkeyPatch, mariadb_server: Any
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", mariadb_server.airflow_uri.replace("mysql://", "lindorm://"))
    execute("SELECT 1")
    with pytest.raises(StatementFailed, match=r"source \(lindorm\) has no transactions"):
        execute("SELECT 1", transaction=True)


def test_a_text_without_a_statement_fails(database: Database) -> None:
    with pytest.raises(StatementFailed, match="no statement"):
        execute("-- nothing here\n;")


def test_a_refused_value_names_its_statement(table: Database) -> None:
    with pytest.raises(StatementFailed, match=r"Statement 2 .*\$\{late\}"):
        execute(
            "INSERT INTO dms_t VALUES ('a'); INSERT INTO dms_t VALUES (${late})",
            inputs={"late": "count"},
            given={"count": {"late": Data(("1 OR 1",))}},
        )
    assert rows(table) == ["a"]


def test_only_allowed_owners(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", database.uri_with("allowed_owners=bob, carol"))
    with pytest.raises(SourceError, match="may not be used by flows of alice"):
        execute("SELECT 1")
    execute("SELECT 1", owner="carol")


def test_the_log_tells_each_statement_and_no_secret(table: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_KEY_OF_TOKEN", "pw1")
    operator = SingleInstanceSQLOperator(
        task_id="load",
        conn_id="source",
        owner="alice",
        sql=SpecText("INSERT INTO dms_t VALUES ('${token}');\nUPDATE dms_t SET n = '${late}'"),
        scope=FlowScope(secrets={"token": "key_of_token"}),
        inputs={"late": "count"},
    )
    lines = run(operator, {"count": {"late": Data(("hidden",))}}).log
    assert lines[0] == "Business time 2023-08-03 11:00:00, run time 2023-08-04 11:00:00 (Asia/Shanghai)"
    assert lines[1] == "Statement 1 (line 1): INSERT INTO dms_t VALUES ('***')"
    assert lines[2].startswith("Statement 1 (line 1): 1 row, 0.")
    assert lines[3] == "Statement 2 (line 2): UPDATE dms_t SET n = '${late}'"
    assert lines[4].startswith("Statement 2 (line 2): 1 row, 0.")
    assert len(lines) == 5


def test_an_error_shows_no_secret(table: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_KEY_OF_TOKEN", "pw1")
    with pytest.raises(StatementFailed) as raised:
        execute("INSERT INTO ${token} VALUES (1)", scope=FlowScope(secrets={"token": "key_of_token"}))
    assert "pw1" not in str(raised.value)
    assert raised.value.__context__ is None


def test_the_rendered_field_shows_authors_text_only(table: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_KEY_OF_TOKEN", "pw1")
    sql = "INSERT INTO dms_t VALUES ('${bizdate} ${token} ${late} {{ ds }} $${x}')"
    scope = FlowScope(secrets={"token": "key_of_token"}, variables={"late": "yyyy"})
    operator = execute(sql, scope=scope, inputs={"late": "count"}, given={"count": {"late": Data(("l",))}})
    assert operator.sql == "INSERT INTO dms_t VALUES ('2023-08-03 ${token} ${late} {{ ds }} ${x}')"
    assert rows(table) == ["2023-08-03 pw1 l {{ ds }} ${x}"]


def test_a_plain_dag_has_jinja_first(table: Database) -> None:
    run(
        SingleInstanceSQLOperator(
            task_id="load",
            conn_id="{{ 'source' }}",
            owner="alice",
            sql="INSERT INTO dms_t VALUES ('{{ ds }} ${bizdate}')",
        )
    )
    assert rows(table) == ["2023-08-04 2023-08-03"]


def test_a_kill_before_the_session_begins(table: Database) -> None:
    operator = SingleInstanceSQLOperator(
        task_id="load", conn_id="source", owner="alice", sql=SpecText("INSERT INTO dms_t VALUES ('never')")
    )
    operator.on_kill()
    with pytest.raises(SessionStopped):
        run(operator)
    assert rows(table) == []
