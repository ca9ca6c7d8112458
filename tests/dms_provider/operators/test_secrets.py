"""A secret is in nothing that a failed node says, in whatever spelling."""

from __future__ import annotations

import threading
import traceback
from pathlib import Path
from typing import Any

import pytest

from dms_provider.operators.base import FlowOperator, SpecText
from dms_provider.operators.outputs import Output
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.operators.sql_assignment import SQLAssignmentOperator
from dms_provider.sessions.session import Session
from dms_provider.variables import AuthorText, FlowScope
from tests.dms_provider.operators.running import run

SECRET = "zq9wordpass"
SCOPE = FlowScope(secrets={"token": "key"})


@pytest.fixture(autouse=True)
def connection_and_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", f"sqlite://{str(tmp_path / 'a.db').replace('/', '%2F')}")
    monkeypatch.setattr("airflow.sdk.Variable.get", lambda key, default: SECRET)


def said(operator: FlowOperator) -> str:
    with pytest.raises((RuntimeError, ValueError)) as caught:
        run(operator)
    lines: Any = operator._cached_logger
    return "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(lines.lines)


@pytest.mark.parametrize(
    ("sql", "outputs"),
    [
        ("${token} 1", {"x": Output(0, 0)}),
        ("WITH a AS (SELECT 1) ${token} 1", {"x": Output(0, 0)}),
        ("SELECT '${token}'", {"x": Output(0, 0, type="number")}),
        ("SELECT upper('${token}')", {"x": Output(0, 0, type="number")}),
        ("SELECT 1 AS ${token}", {"x": Output(0, "y")}),
        ("SELECT * FROM ${token}", {"x": Output(0, 0)}),
    ],
)
def test_of_an_assignment(sql: str, outputs: dict[str, Output]) -> None:
    operator = SQLAssignmentOperator(
        task_id="a", conn_id="source", sql=SpecText(sql), outputs=outputs, scope=SCOPE
    )
    assert "q9wo" not in said(operator).lower()


@pytest.mark.parametrize("transaction", [True, False])
@pytest.mark.parametrize("sql", ["SELECT * FROM ${token}", "${token}", "SELECT '${token}", "BEGIN ${token}"])
def test_of_statements(sql: str, transaction: bool) -> None:
    operator = SingleInstanceSQLOperator(
        task_id="a", conn_id="source", sql=SpecText(sql), transaction=transaction, scope=SCOPE
    )
    assert "q9wo" not in said(operator).lower()


@pytest.mark.parametrize("sql", ["CREATE ${token} a", "DROP ${token}", "SELECT 1; GRANT ${token} TO a"])
def test_of_what_commits_by_itself(monkeypatch: pytest.MonkeyPatch, mariadb_server: Any, sql: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", mariadb_server.airflow_uri)
    operator = SingleInstanceSQLOperator(
        task_id="a", conn_id="source", sql=SpecText(sql), transaction=True, scope=SCOPE
    )
    text = said(operator).lower()
    assert "q9wo" not in text
    assert "cannot be part of a transaction" in text


def test_of_an_object() -> None:
    assert "abc" not in repr({"a": AuthorText("abc", secret=True)})
    assert "abc" in repr(AuthorText("abc"))


def test_a_signal_may_come_while_the_log_is_written() -> None:
    """Airflow's loggers hold a lock while they write, which a handler in the same thread cannot get."""
    lock = threading.Lock()
    stopped: list[bool] = []

    class Log:
        def info(self, text: str, *arguments: object) -> None:
            with lock:
                pass

    class Told(Session):
        def __init__(self) -> None:
            pass

        def kill(self) -> None:
            stopped.append(True)

    operator = SingleInstanceSQLOperator(task_id="a", conn_id="source", sql="SELECT 1")
    operator._cached_logger = Log()  # type: ignore[assignment]  # where Airflow keeps the logger of an object
    operator._session = Told()
    with lock:
        handler = threading.Thread(target=operator.on_kill, daemon=True)
        handler.start()
        handler.join(60)
        assert not handler.is_alive()
    assert stopped == [True]
