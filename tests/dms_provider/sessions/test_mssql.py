"""SQL Server: Airflow's own hook and pymssql against a double of the protocol."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dms_provider.operators.base import SpecText
from dms_provider.operators.outputs import Output
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.operators.sql import SQLFlowOperator, StatementFailed
from dms_provider.operators.sql_assignment import SQLAssignmentOperator
from dms_provider.sessions.session import DatabaseError, Session, SessionStopped
from dms_provider.sessions.source import open_source
from dms_provider.variables.values import Data
from tests.dms_provider.databases import wait_until
from tests.dms_provider.operators.running import Outcome, run
from tests.doubles.tds import TdsServer

NUMBERS = "WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
ENDLESS = f"{NUMBERS} SELECT i FROM n"
SLOW = {
    "waits": "WAITFOR DELAY '05:00:00'",
    "counts": f"{NUMBERS} SELECT count(*) AS c FROM n",
    "sends rows": ENDLESS,
}
OUR_START = "SET XACT_ABORT ON"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TdsServer]:
    """A server behind the connection ``source``, with an empty table ``t (n)``."""
    with TdsServer(tmp_path) as server:
        connect(monkeypatch, server)
        statements("CREATE TABLE t (n NVARCHAR(400) UNIQUE)")
        server.batches.clear()
        yield server


def connect(monkeypatch: pytest.MonkeyPatch, server: TdsServer, **more: Any) -> None:
    record = {
        "conn_type": "mssql",
        "host": "127.0.0.1",
        "port": server.port,
        "login": "sa",
        "password": server.password,
        "schema": "shop",
        "extra": {"encryption": "off", "allowed_owners": ["airflow"], **more.pop("extra", {})},
        **more,
    }
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps(record))


def statements(sql: str, given: dict[str, Data] | None = None, **arguments: Any) -> Outcome:
    inputs = dict.fromkeys(given or {}, "before")
    operator = SingleInstanceSQLOperator(
        task_id="node", conn_id="source", sql=SpecText(sql), inputs=inputs, **arguments
    )
    return run(operator, {"before": given or {}})


def assignment(sql: str, output: Output) -> Outcome:
    return run(
        SQLAssignmentOperator(task_id="node", conn_id="source", sql=SpecText(sql), outputs={"x": output})
    )


def rows() -> tuple[str | None, ...]:
    return (
        assignment("SELECT n FROM t ORDER BY n", Output("all", 0, ",", if_empty="nothing"))
        .outputs["x"]
        .elements
    )


def batches(server: TdsServer) -> list[str]:
    """Return what the node has sent, without the beginning of its session."""
    return server.batches[server.batches.index(OUR_START) + 1 :]


def session() -> Session:
    return Session(open_source("source", owner="airflow", timeout=None))


def test_batches_reach_the_server_whole_and_in_order(server: TdsServer) -> None:
    log = statements(
        "INSERT INTO t VALUES (N'a'); INSERT INTO t VALUES (N'b');\nGO\n"
        "UPDATE t SET n = CONCAT(n, N'x') WHERE n LIKE N'%[ab]%' OR n > N'' -- 100%s;\nGO 2\n"
    ).log
    assert batches(server) == [
        "INSERT INTO t VALUES (N'a'); INSERT INTO t VALUES (N'b');",
        *["UPDATE t SET n = CONCAT(n, N'x') WHERE n LIKE N'%[ab]%' OR n > N'' -- 100%s;"] * 2,
    ]
    assert sum(": 2 rows, " in line for line in log) == 2
    assert rows() == ("axx", "bxx")


@pytest.mark.parametrize(
    "value",
    ["it's", "'; DROP TABLE t; --", "飞行 𝄞", "a]b[c", "\\", "100%s %(x)s", "one\ntwo", "/*", "NULL", '"'],
)
def test_hostile_data_in_a_national_literal(server: TdsServer, value: str) -> None:
    statements("INSERT INTO t VALUES (N'${x}')", {"x": Data((value,))})
    assert rows() == (value,)


def test_data_that_the_server_would_not_keep_is_refused(server: TdsServer) -> None:
    for sql, value in (("'${x}'", "飞行"), ("N'${x}'", "one \\\ntwo"), ("N'${x}\n'", "one \\")):
        with pytest.raises(StatementFailed, match=r"Statement 1 .*\$\{x\}"):
            statements(f"INSERT INTO t VALUES ({sql})", {"x": Data((value,))})
    assert not any("INSERT" in batch for batch in server.batches)


def test_cells_become_outputs(server: TdsServer) -> None:
    assert assignment("SELECT 7, N'飞行', NULL, 1.5", Output(0, "all", "|")).outputs["x"].elements == (
        *("7", "飞行", None, "1.5"),
    )


def test_an_error_says_what_the_server_said_and_ends_its_batch(server: TdsServer) -> None:
    with pytest.raises(StatementFailed) as failed:
        statements(
            "INSERT INTO t VALUES (N'kept')\nGO\n"
            "INSERT INTO nowhere VALUES (1); INSERT INTO t VALUES (N'never')\nGO\n"
            "INSERT INTO t VALUES (N'never either')"
        )
    assert str(failed.value) == (
        "Statement 2 (line 3) failed on source: Invalid object name 'nowhere'. (error 208)"
    )
    assert rows() == ("kept",)


def test_an_error_behind_the_first_result_of_a_batch_is_no_success(server: TdsServer) -> None:
    with pytest.raises(StatementFailed, match=r"nowhere.*\(error 208\)"):
        statements("SELECT 1; SELECT 2; INSERT INTO nowhere VALUES (1)")


def test_a_transaction_keeps_all_or_nothing(server: TdsServer) -> None:
    statements("INSERT INTO t VALUES (N'a')\nGO\nINSERT INTO t VALUES (N'b')", transaction=True)
    assert batches(server) == [
        *("BEGIN TRANSACTION", "INSERT INTO t VALUES (N'a')", "INSERT INTO t VALUES (N'b')", "COMMIT"),
    ]
    with pytest.raises(
        StatementFailed, match=r"UNIQUE.*error 2627.*nothing of this node's statements is kept"
    ):
        statements("INSERT INTO t VALUES (N'c')\nGO\nINSERT INTO t VALUES (N'a')", transaction=True)
    with pytest.raises(StatementFailed, match="COMMIT cannot be part of a transaction"):
        statements("INSERT INTO t VALUES (N'd'); COMMIT", transaction=True)
    assert rows() == ("a", "b")


def killed(server: TdsServer, operator: SQLFlowOperator) -> list[BaseException]:
    """Run a node, tell it to stop once its statement runs, and return its error."""
    ended: list[BaseException] = []

    def work() -> None:
        try:
            run(operator)
        except BaseException as error:
            ended.append(error)

    task = threading.Thread(target=work)
    task.start()
    try:
        wait_until(lambda: bool(server.running) or not task.is_alive(), "the statement to run")
        server.attentions = 0
    finally:
        operator.on_kill()
        task.join()
    wait_until(lambda: not server.running, "the server to be idle")
    return ended


@pytest.mark.parametrize("sql", SLOW.values(), ids=SLOW)
def test_a_kill_ends_the_statement_on_the_server_and_no_other_follows(server: TdsServer, sql: str) -> None:
    operator = SingleInstanceSQLOperator(
        task_id="node", conn_id="source", sql=SpecText(f"{sql}\nGO\nINSERT INTO t VALUES (N'never')")
    )
    assert [type(error) for error in killed(server, operator)] == [SessionStopped]
    if sql != ENDLESS:
        assert server.attentions == 1
    assert rows() == ("nothing",)


def test_a_kill_while_rows_are_fetched(server: TdsServer) -> None:
    operator = SQLAssignmentOperator(
        task_id="node",
        conn_id="source",
        sql=SpecText(ENDLESS),
        outputs={"x": Output("all", 0, ",")},
        max_output_bytes=1 << 30,
    )
    assert [type(error) for error in killed(server, operator)] == [SessionStopped]


@pytest.mark.parametrize("sql", SLOW.values(), ids=SLOW)
def test_a_statement_ends_at_its_limit(server: TdsServer, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    connect(monkeypatch, server, extra={"statement_timeout": 0.5})
    with pytest.raises(StatementFailed, match=r"took longer than its limit of 0\.5 s"):
        statements(sql)
    wait_until(lambda: not server.running, "the server to be idle")


def test_a_query_that_comes_to_a_halt_between_its_rows(
    server: TdsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, server, extra={"statement_timeout": 0.5})
    with pytest.raises(StatementFailed, match=r"failed on source: took longer than its limit of 0\.5 s"):
        assignment(f"{NUMBERS} SELECT i FROM n WHERE i = 1 OR i < 0", Output("all", 0, ","))
    wait_until(lambda: not server.running, "the server to be idle")


def test_rows_that_nobody_wants_stay_on_the_server(server: TdsServer) -> None:
    with session() as opened:
        with opened.query(ENDLESS) as query:
            assert (query.columns, query.fetch(1), query.fetch(2)) == (("i",), [(1,)], [(2,), (3,)])
        wait_until(lambda: not server.running, "the server to be idle")
        assert opened.first_row("SELECT 5") == (5,)
    assert server.rows_sent < 1_000_000


def test_who_can_help_it(server: TdsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusal(**more: Any) -> DatabaseError:
        connect(monkeypatch, server, **more)
        with pytest.raises(DatabaseError) as refused, session():
            pytest.fail("the session must not open")
        return refused.value

    wrong_password = refusal(password="wrong")
    assert str(wrong_password) == "no session on source: Login failed. (error 18456)"
    assert not wrong_password.may_pass
    unreachable = refusal(port=1)
    assert unreachable.may_pass
    assert "(error 20009)" in str(unreachable)
