"""Sources whose server is not to be had: hooks and drivers are real, the calls to the driver are checked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from unittest.mock import MagicMock

import pytest

from dms_provider.operators.base import SpecText
from dms_provider.operators.outputs import Output
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.operators.sql import StatementFailed
from dms_provider.operators.sql_assignment import SQLAssignmentOperator
from dms_provider.sessions.session import DatabaseError, Session, SessionStopped
from dms_provider.sessions.source import open_source
from dms_provider.sessions.table import server
from dms_provider.variables.values import Data
from tests.dms_provider.operators.running import Outcome, run
from tests.dms_provider.sessions import drivers
from tests.dms_provider.sessions.drivers import PASSWORD, SLOW, Script

TYPES = ("oracle", "dm", "ibmdb2")
BEGINNINGS = ("SELECT SESSID() FROM DUAL", "VALUES MON_GET_APPLICATION_HANDLE()")


@dataclass
class Driver:
    """A driver whose connections are watched."""

    conn_type: str
    script: Script = field(default_factory=Script)
    connections: list[MagicMock] = field(default_factory=list)
    db2: drivers.Db2 | None = None

    def statements(self) -> list[str]:
        """Return what was run or done for the node, without the beginning of its session."""
        log = [entry for entry in self.script.log if entry not in ("close cursor", *BEGINNINGS)]
        # To close a connection, ibm_db_dbi rolls back once more.
        return [
            entry
            for entry, before in zip(log, ["", *log], strict=False)
            if (before, entry) != ("rollback",) * 2
        ]


@pytest.fixture
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """The driver of a connection ``source``; for each type in turn where a test does not say which."""
    found = Driver(getattr(request, "param", "oracle"))
    connect(monkeypatch, found.conn_type)
    if found.conn_type == "oracle":
        found.connections = drivers.oracle(monkeypatch, found.script)
    elif found.conn_type == "dm":
        pytest.importorskip("dmPython")
        found.connections = drivers.dm(monkeypatch, found.script)
    else:
        pytest.importorskip("ibm_db")
        found.db2 = drivers.Db2(found.script)
        found.db2.put(monkeypatch)
    return found


def connect(monkeypatch: pytest.MonkeyPatch, conn_type: str, **more: Any) -> None:
    record = {
        "conn_type": conn_type,
        "host": "127.0.0.1",
        "port": 1,
        "login": "scott",
        "password": PASSWORD,
        "extra": {"allowed_owners": ["airflow"], "lock_free": "off", **more.pop("extra", {})},
        **more,
    }
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps(record))


def statements(sql: str, **arguments: Any) -> Outcome:
    return run(SingleInstanceSQLOperator(task_id="node", conn_id="source", sql=SpecText(sql), **arguments))


def session() -> Session:
    return Session(open_source("source", owner="airflow", timeout=None))


every_driver = pytest.mark.parametrize("driver", TYPES, indirect=True)


def on(*types: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("driver", types, indirect=True)


@every_driver
def test_statements_go_one_by_one_and_are_committed_each(driver: Driver) -> None:
    log = statements("INSERT INTO t VALUES (':a ? 100%');\nUPDATE t SET n = 1;\n").log
    assert driver.statements() == [
        *("INSERT INTO t VALUES (':a ? 100%')", "UPDATE t SET n = 1", "rollback", "close"),
    ]
    assert sum(": 3 rows, " in line for line in log) == 2
    if driver.connections:
        assert driver.script.log.count("close cursor") >= 2


@on("oracle", "dm")
def test_blocks_keep_their_end_and_nothing_else_its_semicolon(driver: Driver) -> None:
    trigger = "CREATE OR REPLACE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN :NEW.n := 1; END;"
    block = "DECLARE\n  x NUMBER;\nBEGIN\n  x := 1; f(x);\nEND;"
    statements(f"{trigger}\n/\n{block}\n/\nDELETE FROM t;\nSELECT n FROM t\n/\n")
    assert driver.statements()[:-2] == [trigger, block, "DELETE FROM t", "SELECT n FROM t"]


@on("ibmdb2")
def test_routines_of_db2(driver: Driver) -> None:
    body = "CREATE PROCEDURE p() BEGIN DECLARE x INT; SET x = 1; END"
    statements(f"--#SET TERMINATOR @\n{body}@\nCALL p()@\n")
    assert driver.statements()[:-2] == [body, "CALL p()"]


@every_driver
def test_a_transaction_is_committed_once_and_an_error_undoes_it(driver: Driver) -> None:
    statements("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)", transaction=True)
    done = ["open: INSERT INTO t VALUES (1)", "open: INSERT INTO t VALUES (2)"]
    assert driver.statements() == [*done, "commit", "rollback", "close"]
    driver.script.log.clear()
    error = driver.script.cancelled
    assert error is not None
    driver.script.errors["INSERT INTO t VALUES (2)"] = error
    with pytest.raises(StatementFailed, match="nothing of this node's statements is kept"):
        statements("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)", transaction=True)
    assert driver.statements() == [*done, "rollback", "close"]


@every_driver
def test_a_query_gives_outputs_and_can_change_nothing(driver: Driver) -> None:
    driver.script.answers["SELECT n FROM t"] = [(Decimal("12345678901234567890.50"),), ("飞行",), (None,)]
    operator = SQLAssignmentOperator(
        task_id="node",
        conn_id="source",
        sql=SpecText("SELECT n FROM t;"),
        outputs={"x": Output("all", 0, ",")},
    )
    assert run(operator).outputs["x"].elements == ("12345678901234567890.50", "飞行", None)
    reading = ["open: SET TRANSACTION READ ONLY", "open: SELECT n FROM t"]
    expected = ["SELECT n FROM t"] if driver.conn_type == "ibmdb2" else reading
    assert driver.statements() == [*expected, "rollback", "close"]


@every_driver
def test_rows_that_nobody_wants_are_not_fetched(driver: Driver) -> None:
    driver.script.answers["SELECT n FROM t"] = [(n,) for n in range(10)]
    with session() as opened, opened.query("SELECT n FROM t") as query:
        assert query.fetch(1) == [(0,)]
    if driver.connections:
        assert driver.script.log[-3:] == ["close cursor", "rollback", "close"]


@every_driver
def test_a_kill_cancels_the_statement(driver: Driver) -> None:
    operator = SingleInstanceSQLOperator(
        task_id="node", conn_id="source", sql=SpecText(f"{SLOW}; INSERT INTO t VALUES (1)")
    )
    ended: list[BaseException] = []

    def work() -> None:
        try:
            run(operator)
        except BaseException as error:
            ended.append(error)

    task = threading.Thread(target=work)
    task.start()
    assert driver.script.running.wait(60)
    operator.on_kill()
    task.join(60)
    assert [type(error) for error in ended] == [SessionStopped]
    assert not any("INSERT" in entry for entry in driver.script.log)
    if driver.conn_type == "oracle":
        driver.connections[0].cancel.assert_called()
    else:
        assert any(driver.script.cancels in entry for entry in driver.script.log)


@on("ibmdb2")
def test_db2_forces_an_application_off_where_it_may_not_cancel(driver: Driver) -> None:
    script = driver.script
    script.errors[script.cancels] = Exception(
        "SQL0551N  No privilege for WLM_CANCEL_ACTIVITY.  SQLSTATE=42501"
    )
    script.cancels = "CALL SYSPROC.ADMIN_CMD('FORCE APPLICATION (77)')"
    test_a_kill_cancels_the_statement(driver)


@every_driver
def test_a_limit_is_kept(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, driver.conn_type, extra={"statement_timeout": 0.4})
    if driver.conn_type == "oracle":
        statements("DELETE FROM t")
        assert driver.connections[0].call_timeout == 400
    elif driver.db2 is not None:
        statements("DELETE FROM t; DELETE FROM u")
        assert driver.db2.limits == [1, 1, 1]
    else:
        with pytest.raises(StatementFailed, match=r"took longer than its limit of 0\.4 s, and was cancelled"):
            statements(SLOW)
        assert any(driver.script.cancels in entry for entry in driver.script.log)


@every_driver
def test_the_drivers_words_reach_the_log_and_no_error_hides_them(driver: Driver) -> None:
    driver.script.errors["SELEC"] = {
        "oracle": lambda: error_of_oracle("ORA-00900: invalid SQL statement", 900),
        "dm": lambda: __import__("dmPython").ProgrammingError("[CODE:-2007]syntax error at SELEC"),
        "ibmdb2": lambda: Exception("SQL0104N  An unexpected token SELEC was found.  SQLSTATE=42601"),
    }[driver.conn_type]()
    said = {"oracle": "ORA-00900", "dm": "CODE:-2007", "ibmdb2": "SQL0104N"}[driver.conn_type]
    with pytest.raises(StatementFailed, match=rf"Statement 1 \(line 1\) failed on source: .*{said}"):
        statements("SELEC")
    with pytest.raises(DatabaseError, match=said) as failed, session() as opened:
        opened.row("SELEC")
    assert not failed.value.may_pass


def error_of_oracle(message: str, code: int, *, recoverable: bool = False) -> BaseException:
    from oracledb import DatabaseError as OracleError
    from oracledb.errors import _Error

    return OracleError(_Error(message, code=code, isrecoverable=recoverable))


def test_what_may_pass_on_oracle(driver: Driver) -> None:
    for code, passes in ((60, True), (54, True), (1555, True), (942, False), (1, False), (1017, False)):
        assert server("oracle").may_pass(error_of_oracle(f"ORA-{code:05}: x", code)) is passes
    assert server("oracle").may_pass(error_of_oracle("ORA-04068: x", 4068, recoverable=True))


@on("dm", "ibmdb2")
def test_a_server_that_does_not_tell_the_sessions_number(driver: Driver) -> None:
    assert driver.script.cancelled is not None
    driver.script.errors.update(dict.fromkeys(BEGINNINGS, driver.script.cancelled))
    with session() as opened:
        assert opened.execute("DELETE FROM t") == 3
        (note,) = opened.notes
    assert note.startswith("nothing can be cancelled, since the session's number is not told: ")


@on("ibmdb2")
def test_parameters_go_apart_on_db2(driver: Driver) -> None:
    sql = "SELECT n FROM t WHERE a = ?"
    driver.script.answers[sql] = [(7,)]
    assert server("ibmdb2").placeholder == "?"
    with session() as opened:
        assert opened.row(sql, ("it's",)) == (7,)
    assert driver.statements()[:2] == [sql, 'parameters ("it\'s",)']


@on("ibmdb2")
def test_what_may_pass_on_db2(driver: Driver) -> None:
    for state, passes in (
        ("40001", True),
        ("08001", True),
        ("57033", True),
        ("57014", False),
        ("42704", False),
    ):
        driver.script.errors["DELETE FROM t"] = Exception(f"SQL1234N  x.  SQLSTATE={state} SQLCODE=-1")
        with pytest.raises(DatabaseError) as failed, session() as opened:
            opened.execute("DELETE FROM t")
        assert failed.value.may_pass is passes, state


def test_oracle_gives_whole_numbers_and_whole_objects(driver: Driver) -> None:
    import oracledb

    with session() as opened:
        opened.execute("DELETE FROM t")
    handler: Callable[[Any, Any], Any] = driver.connections[0].outputtypehandler
    cursor = MagicMock(arraysize=100)
    wanted = {
        oracledb.DB_TYPE_NUMBER: Decimal,
        oracledb.DB_TYPE_CLOB: oracledb.DB_TYPE_LONG,
        oracledb.DB_TYPE_NCLOB: oracledb.DB_TYPE_LONG_NVARCHAR,
        oracledb.DB_TYPE_BLOB: oracledb.DB_TYPE_LONG_RAW,
    }
    for type_code, kind in wanted.items():
        handler(cursor, MagicMock(type_code=type_code))
        cursor.var.assert_called_with(kind, arraysize=100)
    assert handler(cursor, MagicMock(type_code=oracledb.DB_TYPE_VARCHAR)) is None


@every_driver
def test_hostile_data_stays_in_its_literal(driver: Driver) -> None:
    for value in ("it's", "'; DROP TABLE t; --", "/\n", "END;\n/\n", "飞行 𝄞", ":x ? &y", "q'[", "\\"):
        driver.script.log.clear()
        operator = SingleInstanceSQLOperator(
            task_id="node",
            conn_id="source",
            sql=SpecText("INSERT INTO t VALUES ('${x}');"),
            inputs={"x": "before"},
        )
        run(operator, {"before": {"x": Data((value,))}})
        doubled = value.replace("'", "''")
        assert driver.statements()[:-2] == [f"INSERT INTO t VALUES ('{doubled}')"]
