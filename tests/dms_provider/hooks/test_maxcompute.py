"""MaxCompute: the real driver against a double of its REST API, and nodes over it."""

from __future__ import annotations

import json
import logging
import multiprocessing
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("odps", reason="pyodps is not installed")

from dms_provider.dialects import dialect
from dms_provider.hooks.maxcompute import MaxComputeHook
from dms_provider.operators.base import SpecText
from dms_provider.operators.outputs import Output
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.operators.sql import StatementFailed
from dms_provider.operators.sql_assignment import SQLAssignmentOperator
from dms_provider.sensors.newer_rows import NewerRows
from dms_provider.sensors.table_look import TableLook
from dms_provider.sessions import maxcompute_connection
from dms_provider.sessions.maxcompute_connection import Connection
from dms_provider.sessions.session import DatabaseError, Session
from dms_provider.sessions.source import open_source
from dms_provider.variables.values import Data
from tests.dms_provider.databases import wait_until
from tests.dms_provider.dialects.test_servers import HOSTILE
from tests.dms_provider.operators import killed_task
from tests.dms_provider.operators.running import Outcome, run
from tests.doubles.maxcompute import Fault, MaxCompute


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MaxCompute]:
    """A double, and a connection ``source`` to it."""
    with MaxCompute(tmp_path) as service:
        monkeypatch.setenv("AIRFLOW_CONN_SOURCE", service.connection())
        yield service


@pytest.fixture
def connection(service: MaxCompute) -> Connection:
    return MaxComputeHook("source").get_conn()


def statements(sql: str, **more: Any) -> SingleInstanceSQLOperator:
    return SingleInstanceSQLOperator(task_id="node", conn_id="source", sql=SpecText(sql), **more)


def assign(sql: str, output: Output, **more: Any) -> tuple[str | None, ...]:
    operator = SQLAssignmentOperator(
        task_id="node", conn_id="source", sql=SpecText(sql), outputs={"x": output}, **more
    )
    return run(operator).outputs["x"].elements


def rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def session(limit: timedelta | None = None) -> Session:
    return Session(open_source("source", owner="alice", timeout=limit))


def changed(service: MaxCompute, **more: Any) -> dict[str, Any]:
    return {**json.loads(service.connection()), **more}


def test_the_connection_can_be_tested(service: MaxCompute, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MaxComputeHook("source").test_connection() == (True, "Connection successfully tested")
    for wrong, message in (
        ({"password": "wrong"}, "signature does not match"),
        ({"schema": "nowhere"}, "no project nowhere"),
        ({"login": None}, "no login (access key id)"),
        ({"host": "http://127.0.0.1:1/api"}, "cannot be reached"),
    ):
        monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps(changed(service, **wrong)))
        works, said = MaxComputeHook("source").test_connection()
        assert not works
        assert message in said


def test_a_region_changes_the_signature(service: MaxCompute, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", service.connection(region="cn-test"))
    assert MaxComputeHook("source").test_connection()[0]
    assert service.signature_versions == {"v4"}
    service.keys["test-key"] = "another"
    assert not MaxComputeHook("source").test_connection()[0]


def test_statements_run_in_order_and_the_log_names_their_instances(
    service: MaxCompute, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, maxcompute_connection.__name__)
    outcome = run(statements("CREATE TABLE t (n bigint); INSERT INTO t VALUES (1), (2); SELECT n FROM t"))
    assert [line.split(", ")[0] for line in outcome.log if line.endswith(" s")] == [
        f"Statement {number} (line 1): done" for number in (1, 2, 3)
    ]
    told = [record.getMessage() for record in caplog.records if "MaxCompute instance" in record.getMessage()]
    assert len(told) == 3
    for line, instance_id in zip(told, service.instances, strict=True):
        assert instance_id in line
        assert "/logview/?h=" in line
    assert service.counts["data"] == 0


def test_cells_become_outputs(service: MaxCompute, connection: Connection) -> None:
    rows(connection, "CREATE TABLE t (n bigint, f double, s string, d datetime)")
    rows(connection, "INSERT INTO t VALUES (1, 0.5, '飞行', '2023-08-04 12:00:00'), (2, NULL, NULL, NULL)")
    assert assign("SELECT n, f, s, d FROM t ORDER BY n", Output(0, "all", "|")) == (
        "1",
        "0.5",
        "飞行",
        "2023-08-04 12:00:00",
    )
    assert assign("SELECT f FROM t ORDER BY n", Output("all", 0, ",")) == ("0.5", None)
    assert assign("SELECT n FROM t WHERE n > 9", Output(0, 0, if_empty="none")) == ("none",)


@pytest.mark.parametrize("where", ["project", "connection", "statement"])
def test_a_point_in_time_is_that_of_the_sessions_time_zone(
    service: MaxCompute, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    zone = "America/New_York"
    script = f"SET odps.sql.timezone={zone};" if where == "statement" else ""
    if where == "project":
        service.properties["odps.sql.timezone"] = zone
    hints = {"odps.sql.timezone": zone} if where == "connection" else None
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", service.connection(hints=hints))
    with session() as open_session:
        for statement in (
            "CREATE TABLE t (d datetime)",
            "INSERT INTO t VALUES ('2023-08-04 12:00:00')",
            *([script] if script else []),
        ):
            open_session.execute(statement)
        ((moment,),) = [open_session.first_row("SELECT d FROM t")]
    assert str(moment)[:19] == "2023-08-04 12:00:00"


def test_rows_are_streamed_and_only_those_that_are_wanted(service: MaxCompute) -> None:
    many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT i FROM n"
    assert assign(many, Output("all", 0, ","))[-1] == "3000"
    with session() as open_session, open_session.query(many) as query:
        assert query.columns == ("i",)
        assert query.fetch(2) == [(1,), (2,)] or query.fetch(1) == [(2,)]


CONTROL = "\x01\x08\x1a\x1f\x7f"
XML = "]]></Query></SQL><SQL><Name>b</Name><Query><![CDATA[DROP TABLE kept"
SETTING = "'; set odps.sql.submit.mode=script; set a.b=c; --\n@x := 1"


def test_hostile_values_come_back(service: MaxCompute, connection: Connection) -> None:
    values = [value for value in HOSTILE if "\uffff" not in value] + [CONTROL, XML, SETTING, "\r\n", "\\\r"]
    names = [f"v{number}" for number in range(len(values))]
    operator = SQLAssignmentOperator(
        task_id="node",
        conn_id="source",
        sql=SpecText("SELECT " + ", ".join(f"'${{{name}}}'" for name in names) + " /* ]]> */"),
        outputs={"x": Output(0, "all", "|")},
        inputs=dict.fromkeys(names, "above"),
    )
    given = {name: Data((value,)) for name, value in zip(names, values, strict=True)}
    outcome: Outcome = run(operator, {"above": given})
    assert list(outcome.outputs["x"].elements) == values
    ((instance),) = service.instances.values()
    assert not [name for name in instance.settings if name in ("a.b", "odps.sql.submit.mode")]


def test_a_character_that_xml_does_not_have_is_refused(service: MaxCompute) -> None:
    operator = statements("SELECT '${x}'", inputs={"x": "above"})
    with pytest.raises(StatementFailed, match=r"Statement 1 .* U\+FFFF, which the interface"):
        run(operator, {"above": {"x": Data(("a\uffff",))}})
    assert service.statements() == []


def test_settings_hold_for_the_statements_behind_them(service: MaxCompute, monkeypatch: Any) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", service.connection(hints={"odps.a": True, "odps.b": 1}))
    run(
        statements(
            "SELECT 1; -- more\nSET odps.b = 2 ;\nset odps.c=three; SELECT 2",
            execution_timeout=timedelta(hours=2),
        )
    )
    first, second = (
        {name: value for name, value in instance.settings.items() if name.startswith("odps.")}
        for instance in service.instances.values()
    )
    hours = {"odps.sql.job.max.time.hours": "2"}
    assert first == {"odps.a": "true", "odps.b": "1", **hours}
    assert second == {"odps.a": "true", "odps.b": "2", "odps.c": "three", **hours}


def test_data_in_a_setting_sets_nothing_else(connection: Connection) -> None:
    assert connection.run("/* a */ SET odps.a = 'x\\'; set odps.b=c' ;") is None
    assert connection.run('SET odps.c={"*": 1}') is None
    assert connection.settings == {"odps.a": "'x\\'; set odps.b=c'", "odps.c": '{"*": 1}'}
    assert rows(connection, "/* a */ -- b\n" * 2000 + "SELECT 'set odps.a=1;'") == [("set odps.a=1;",)]


@pytest.mark.parametrize(
    "script", ["SET odps.sql.submit.mode=script;\nSELECT 1;\nSELECT 2;", "@a := SELECT 1;\nSELECT 2"]
)
def test_a_script_is_one_instance(service: MaxCompute, script: str) -> None:
    assert len(list(dialect("maxcompute").split((script,)))) == 1
    try:
        run(statements(script))
    except StatementFailed:
        assert script.startswith("@")  # SQLite knows no variables
    (instance,) = service.instances.values()
    assert instance.sql.rstrip(";") == script.rstrip(";")
    assert instance.settings["odps.sql.submit.mode"] == "script"


def test_a_failed_statement_is_told_and_stops_the_node(service: MaxCompute) -> None:
    with pytest.raises(
        StatementFailed, match=r"Statement 2 .* ODPS-0130131.*no such table: nowhere \(instance 2026"
    ):
        run(statements("SELECT 1; SELECT * FROM nowhere; SELECT 3"))
    assert len(service.instances) == 2


def test_a_transaction_is_refused(service: MaxCompute) -> None:
    with pytest.raises(StatementFailed, match="has no transactions"):
        run(statements("SELECT 1", transaction=True))


@pytest.mark.parametrize(
    ("fault", "message", "may_pass"),
    [
        (Fault("create", 503, "ServiceUnavailable"), "fault of create.*It is not known whether", True),
        (Fault("create", 400, "ODPS-0130161"), "ODPS-0130161", False),
        (Fault("create", 429, "RequestQuotaExceeded"), "fault of create", True),
        (Fault("create", 0), "not known whether the statement has reached MaxCompute", True),
        (Fault("tunnel", 403, "NoPermission"), "have the right to download it granted", False),
        (Fault("downloads", 403, "NoPermission"), "have the right to download it granted", False),
    ],
)
def test_what_may_pass(service: MaxCompute, fault: Fault, message: str, may_pass: bool) -> None:
    service.faults.append(fault)
    with session() as open_session, pytest.raises(DatabaseError, match=message) as raised:
        open_session.first_row("SELECT 1")
    assert raised.value.may_pass is may_pass


def test_errors_of_the_service_while_an_instance_runs_are_borne(service: MaxCompute) -> None:
    service.faults.append(Fault("status", 500, times=2))
    run(statements("SELECT sleep(0.3)"))
    assert service.counts["status"] > 2


def test_an_instance_that_cannot_be_watched_is_stopped(service: MaxCompute, monkeypatch: Any) -> None:
    monkeypatch.setattr(maxcompute_connection, "PATIENCE", 0.0)
    service.faults.append(Fault("status", 403, "NoPermission"))
    with pytest.raises(StatementFailed, match=r"fault of status.*Instance 2026\d+ was stopped"):
        run(statements("SELECT sleep(600)"))
    wait_until(lambda: not service.running(), "the instance to end")


def test_an_answer_that_nobody_understands_leaves_no_instance(
    connection: Connection, service: MaxCompute, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("a mistake of the driver")

    monkeypatch.setattr("odps.models.instance.Instance.is_terminated", fail)
    with pytest.raises(KeyError, match="a mistake"):
        connection.run("SELECT sleep(600)")
    wait_until(lambda: not service.running(), "the instance to be stopped")


def test_half_a_result_is_no_result(service: MaxCompute) -> None:
    service.cuts_rows_off_at = 3
    with pytest.raises(StatementFailed, match="The query"):
        assign("SELECT 'a' UNION ALL SELECT 'b'", Output("all", 0, ","))


def test_a_statement_has_no_more_time_than_its_limit(service: MaxCompute) -> None:
    with (
        session(timedelta(seconds=1)) as open_session,
        pytest.raises(DatabaseError, match="longer than its limit of 1 s"),
    ):
        open_session.execute("SELECT sleep(600)")
    wait_until(lambda: not service.running(), "the instance to end")
    (instance,) = service.instances.values()
    assert instance.state == "Cancelled"


def test_what_is_on_its_way_when_the_node_is_killed_is_stopped_too(service: MaxCompute) -> None:
    gate = service.gates["create"] = threading.Event()
    operator = statements("SELECT sleep(600); SELECT 2")
    ended: list[BaseException] = []

    def work() -> None:
        try:
            run(operator)
        except BaseException as error:
            ended.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    wait_until(lambda: service.waiting["create"] > 0, "the request to arrive")
    killer = threading.Thread(target=operator.on_kill)
    killer.start()
    wait_until(lambda: operator._session is not None and operator._session._stopped, "the kill")
    gate.set()
    worker.join(60)
    killer.join(60)
    assert [type(error).__name__ for error in ended] == ["SessionStopped"]
    (instance,) = service.instances.values()
    wait_until(lambda: instance.state == "Cancelled", "the instance to be stopped")


@pytest.mark.parametrize("kind", ["statement", "assignment"])
def test_a_process_that_is_told_to_stop_leaves_no_instance(
    service: MaxCompute, tmp_path: Path, kind: str
) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([killed_task.__name__, "odps"])
    answer = tmp_path / "answer"
    sql = "SELECT sleep(600)" + ("; SELECT 2" if kind == "statement" else "")
    process = processes.Process(
        target=killed_task.execute, args=(kind, service.connection(), sql, None, answer), daemon=True
    )
    process.start()
    try:
        wait_until(lambda: bool(service.running()), "the instance to run")
        process.terminate()
        wait_until(lambda: not service.running(), "the instance to be stopped")
        process.join(120)
        assert process.exitcode == 1
        assert answer.read_text(encoding="utf-8").startswith("SessionStopped: stopped: ")
    finally:
        process.kill()
        process.join()
    (instance,) = service.instances.values()
    assert instance.state == "Cancelled"


def test_a_look_at_a_table(service: MaxCompute, connection: Connection) -> None:
    rows(connection, "CREATE TABLE loads (loaded_at string, origin string)")
    rows(connection, "INSERT INTO loads VALUES ('2023-08-03 12:00:00', 'o\\'hare')")

    def is_there(since: str, origin: str = "o'hare") -> bool:
        newer = NewerRows(table="loads", time_column="loaded_at", since=since, where="origin = '${o}'")
        values = {"o": Data((origin,))}
        return TableLook(conn_id="source", owner="alice", rows=newer, values=values, secrets={}).is_there(
            None
        )

    assert is_there("2023-08-03")
    assert not is_there("2023-08-04")
    assert not is_there("2023-08-03", "x' OR '1' = '1")
