"""OceanBase in Oracle mode: the real driver, pyoceanbase, on a server that speaks the same protocol.

No server in Oracle mode is to be had: MariaDB and OceanBase's engine in MySQL mode stand in. So this shows
the driver's part (connecting, commits, rows as they come, limits, KILL QUERY), and nothing of Oracle's SQL.
"""

from __future__ import annotations

import json
import threading

import pytest

from dev.services import Server
from dms_provider.operators.base import SpecText
from dms_provider.operators.outputs import Output
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.operators.sql import StatementFailed
from dms_provider.operators.sql_assignment import SQLAssignmentOperator
from dms_provider.sessions.session import Session, SessionStopped
from tests.dms_provider.databases import Database, wait_until
from tests.dms_provider.operators.running import run

pytest.importorskip("pyoceanbase")


@pytest.fixture(params=["mariadb", "oceanbase"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Database:
    server: Server = request.getfixturevalue(f"{request.param}_server")
    record = {
        "conn_type": "oceanbase_oracle",
        "host": server.host,
        "port": server.port,
        "login": server.user,
        "password": server.password,
        "schema": server.database,
        "extra": {"allowed_owners": ["alice", "airflow"]},
    }
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps(record))
    return Database(request.param, "source", server, json.dumps(record))


def statements(sql: str, *, transaction: bool = False) -> SingleInstanceSQLOperator:
    return SingleInstanceSQLOperator(
        task_id="node", conn_id="source", sql=SpecText(sql), transaction=transaction
    )


def test_statements_transactions_and_cells(database: Database) -> None:
    run(statements("DROP TABLE IF EXISTS dms_t; CREATE TABLE dms_t (n VARCHAR(40) NOT NULL)"))
    run(statements("INSERT INTO dms_t VALUES ('it''s 100%s 飞行');", transaction=True))
    with pytest.raises(StatementFailed, match=r"Statement 2 .*\(error 1048\).*nothing of this node"):
        run(statements("INSERT INTO dms_t VALUES ('b'); INSERT INTO dms_t VALUES (NULL)", transaction=True))
    with pytest.raises(StatementFailed, match=r"Statement 2 "):
        run(statements("INSERT INTO dms_t VALUES ('c'); INSERT INTO dms_t VALUES (NULL)"))
    query = SQLAssignmentOperator(
        task_id="node",
        conn_id="source",
        sql=SpecText("SELECT n FROM dms_t ORDER BY n"),
        outputs={"x": Output("all", 0, ",")},
    )
    assert run(query).outputs["x"].elements == ("c", "it's 100%s 飞行")


def test_a_query_can_change_nothing(database: Database) -> None:
    run(statements("DROP TABLE IF EXISTS dms_t; CREATE TABLE dms_t (n INT)"))
    with Session(database.source()) as session:
        session.begin_snapshot()
        with pytest.raises(Exception, match=r"READ ONLY.*\(error 1792\)"):
            session.execute("INSERT INTO dms_t VALUES (1)")


def test_a_kill_reaches_the_server(database: Database) -> None:
    operator = statements(f"{database.slow}; CREATE TABLE dms_never (n INT)")
    ended: list[BaseException] = []

    def work() -> None:
        try:
            run(operator)
        except BaseException as error:
            ended.append(error)

    task = threading.Thread(target=work)
    task.start()
    try:
        wait_until(lambda: database.runs_a_query() or not task.is_alive(), "the query to run")
    finally:
        operator.on_kill()
        task.join()
    database.wait_for_silence()
    assert [type(error) for error in ended] == [SessionStopped]


def test_rows_that_nobody_wants_stay_on_the_server(database: Database) -> None:
    # What is under way already has to be read, row by row and in Python, so there should be few rows in it.
    wide = database.endless.replace("SELECT seq ", "SELECT REPEAT('x', 9999) ").replace(
        "SELECT a.i ", "SELECT REPEAT('x', 9999) "
    )
    assert "9999" in wide
    with Session(database.source()) as session, session.query(wide) as query:
        assert len(query.fetch(1)[0][0]) == 9999
    database.wait_for_silence()


@pytest.mark.parametrize("database", ["oceanbase"], indirect=True)
def test_a_limit_is_kept_by_the_server(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    record = json.loads(database.uri)
    record["extra"]["statement_timeout"] = 1
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps(record))
    with pytest.raises(StatementFailed, match=r"ob_query_timeout.*\(error 4012\)"):
        run(statements(database.slow))


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_what_the_server_does_not_know_is_noted(database: Database) -> None:
    with Session(database.source()) as session:
        assert [note.split("'")[1].split(" = ")[0] for note in session.notes] == [
            *("SET SESSION ob_query_timeout", "SET SESSION ob_trx_timeout"),
        ]
