"""Sources over the protocol of MySQL or PostgreSQL: a real server of that protocol stands in for each."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any
from urllib.parse import quote

import pytest
from airflow.sdk import Connection

from dev.services import Server
from dms_provider.data_sources import DATA_SOURCES
from dms_provider.operators.base import SpecText
from dms_provider.operators.outputs import Output
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.operators.sql import SQLFlowOperator, StatementFailed
from dms_provider.operators.sql_assignment import SQLAssignmentOperator
from dms_provider.sessions.session import Session, SessionStopped
from tests.dms_provider.databases import Database, wait_until
from tests.dms_provider.operators.running import run

STAND_INS = {
    "polardbx": "mysql",
    "analyticdb_mysql": "mariadb",
    "dla": "mariadb",
    "lindorm": "mysql",
    "polardb_oracle": "postgres",
    "analyticdb_postgres": "postgres",
    "hologres": "postgres",
}
NO_TRANSACTIONS = {"analyticdb_mysql", "dla", "lindorm", "hologres"}
EXTRA = {"lock_free": "off", "statement_timeout": 3600, "allowed_owners": "alice, airflow"}
LEFT_EMPTY = {
    "mysql": {"ssl_mode": None, "charset": None, "unix_socket": None},
    "postgres": {"sslmode": None, "options": None, "connect_timeout": None},
}


def record(conn_type: str, server: Server, **more: Any) -> dict[str, Any]:
    """Return a connection as its form stores it, with extras that are not for the driver, or left empty."""
    return {
        "conn_type": conn_type,
        "host": server.host,
        "port": server.port,
        "login": server.user,
        "password": server.password,
        "schema": server.database,
        "extra": {**LEFT_EMPTY[DATA_SOURCES[conn_type].extra], **EXTRA},
        **more,
    }


@pytest.fixture(params=STAND_INS)
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A connection ``source`` of each type."""
    kind = STAND_INS[request.param]
    server: Server = request.getfixturevalue(f"{kind}_server")
    connection = json.dumps(record(request.param, server))
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", connection)
    return Database(kind, "source", server, connection)


def test_all_that_share_a_protocol_are_here() -> None:
    own = {name: source for name, source in DATA_SOURCES.items() if source.form and source.server}
    shared = {name for name in own if str(own[name].dialect).split(":")[0] in ("mysql", "postgres")}
    # OceanBase has a server of its own, on which all nodes are tested.
    assert set(STAND_INS) == shared - {"oceanbase"}


def statements(sql: str, *, transaction: bool = False) -> SingleInstanceSQLOperator:
    return SingleInstanceSQLOperator(
        task_id="node", conn_id="source", sql=SpecText(sql), transaction=transaction
    )


def assignment(sql: str) -> SQLAssignmentOperator:
    return SQLAssignmentOperator(
        task_id="node", conn_id="source", sql=SpecText(sql), outputs={"x": Output("all", 0, ",")}
    )


def test_the_connection_can_be_tested(database: Database) -> None:
    assert database.server is not None
    given = json.loads(database.uri)
    given["extra"] = json.dumps(given["extra"])
    good = Connection(conn_id="tested", **given)
    assert good.test_connection() == (True, "Connection successfully tested")
    bad = Connection(conn_id="tested", **{**given, "password": "wrong"})
    works, message = bad.test_connection()
    assert not works
    assert database.server.user in message


def test_statements_and_cells(database: Database) -> None:
    run(statements("DROP TABLE IF EXISTS dms_cells; CREATE TABLE dms_cells (n INT, t VARCHAR(40))"))
    run(
        statements(
            "INSERT INTO dms_cells VALUES (1, 'it''s 100%'), (2, '飞行'); DELETE FROM dms_cells WHERE n = 9"
        )
    )
    outcome = run(assignment("SELECT t FROM dms_cells ORDER BY n"))
    assert outcome.outputs["x"].elements == ("it's 100%", "飞行")


def test_transactions_where_the_source_has_them(database: Database) -> None:
    conn_type = json.loads(database.uri)["conn_type"]
    run(statements("DROP TABLE IF EXISTS dms_both; CREATE TABLE dms_both (n INT NOT NULL)"))
    both = statements("INSERT INTO dms_both VALUES (1); INSERT INTO dms_both VALUES (NULL)", transaction=True)
    refused = "has no transactions" if conn_type in NO_TRANSACTIONS else "nothing of this node's statements"
    with pytest.raises(StatementFailed, match=refused):
        run(both)
    with Session(database.source()) as session:
        assert session.first_row("SELECT count(*) FROM dms_both") == (0,)


@pytest.mark.parametrize("node", [statements, assignment])
def test_a_kill_reaches_the_server(database: Database, node: Callable[[str], SQLFlowOperator]) -> None:
    operator = node(database.slow)
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


class WithoutSetOption:
    """A hook for a server that knows no ``COM_SET_OPTION``; the error is MySQL's for unknown commands."""

    def __init__(self, hook: Any) -> None:
        self._hook = hook

    def get_conn(self) -> Any:
        connection = self._hook.get_conn()

        class Refusing(type(connection)):  # type: ignore[misc]  # the driver's own class, not known before
            def set_server_option(self, option: int) -> None:
                raise self.OperationalError(1047, "Unknown command")

        connection.__class__ = Refusing
        return connection


@pytest.mark.parametrize("database", ["analyticdb_mysql"], indirect=True)
def test_a_server_that_does_not_know_a_command_of_the_protocol(database: Database) -> None:
    source = database.source()
    with Session(replace(source, hook=WithoutSetOption(source.hook))) as session:
        assert session.notes == (
            "the server does not turn off texts of more than one statement: Unknown command",
        )
        assert session.first_row("SELECT 1") == (1,)


def test_a_uri_takes_hyphens_for_underscores(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = f"{postgres_server.user}:{quote(postgres_server.password, safe='')}"
    place = f"{postgres_server.host}:{postgres_server.port}/{postgres_server.database}"
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", f"analyticdb-postgres://{login}@{place}?sslmode=disable")
    assert run(assignment("SELECT 1")).outputs["x"].elements == ("1",)


def without(module: str, missing: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a second copy of a module, imported where another is not installed."""
    monkeypatch.setitem(sys.modules, missing, None)
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.loader is not None
    copy = importlib.util.module_from_spec(found)
    found.loader.exec_module(copy)
    return copy


@pytest.mark.parametrize("conn_type", STAND_INS)
def test_a_missing_driver_is_told_with_what_to_install(
    conn_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = DATA_SOURCES[conn_type]
    module, _, name = source.hook.rpartition(".")
    provider = f"airflow.providers.{source.extra}.hooks.{source.extra}"
    hook = getattr(without(module, provider, monkeypatch), name)()
    works, message = hook.test_connection()
    assert not works
    assert f"pip install 'airflow-provider-dms[{source.extra}]'" in message
    with pytest.raises(Exception, match=r"pip install 'airflow-provider-dms\["):
        hook.get_conn()


def test_a_node_tells_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", "mysql://nobody@127.0.0.1:1/x")
    monkeypatch.setitem(sys.modules, "airflow.providers.mysql.hooks.mysql", None)
    with pytest.raises(Exception, match=r"pip install 'airflow-provider-dms\[mysql\]'"):
        run(statements("SELECT 1"))
