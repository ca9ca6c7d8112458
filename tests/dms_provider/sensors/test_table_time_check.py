"""The sensor on a worker: what it decides there, and what it hands to its trigger."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from dms_provider.operators.base import SpecText
from dms_provider.sensors.table_time_check import TableTimeCheckFailed, TableTimeCheckSensor
from dms_provider.sessions.session import Session, SessionStopped
from dms_provider.triggers.table_time_check import TableTimeTrigger
from dms_provider.variables.scope import FlowScope
from dms_provider.variables.values import Data
from tests.dms_provider.databases import Database, wait_until
from tests.dms_provider.operators.running import Log, context_of, run

SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
SERVERS = pytest.mark.parametrize("database", ["postgres", "mariadb", "mysql"], indirect=True)
NOBODY_LISTENS = "postgres://dms:pass-word@127.0.0.1:1/dms?connect_timeout=3"


def sensor(**more: Any) -> TableTimeCheckSensor:
    arguments = {
        "task_id": "arrived",
        "conn_id": "source",
        "table": SpecText("dms_arrived"),
        "time_column": SpecText("loaded_at"),
        "since": SpecText("${bizdate} 12:00:00"),
        "execution_timeout": timedelta(hours=1),
        **more,
    }
    return TableTimeCheckSensor(**arguments)


def insert(database: Database, *times: str) -> None:
    with Session(database.source()) as session:
        session.execute("DROP TABLE IF EXISTS dms_arrived")
        session.execute("CREATE TABLE dms_arrived (loaded_at varchar(30), region varchar(30))")
        for moment in times:
            session.execute(f"INSERT INTO dms_arrived VALUES ('{moment}', 'east')")


def deferred(node: TableTimeCheckSensor, **given: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        run(node, **given)
    return caught.value


def test_a_row_that_is_there_needs_no_trigger(database: Database) -> None:
    insert(database, "2023-08-03 12:00:01")
    outcome = run(sensor())
    assert outcome.rendered["since"] == "2023-08-03 12:00:00"
    assert outcome.log[-1] == "Found a row of dms_arrived after 2023-08-03 12:00:00"


@SQLITE
def test_the_log_says_which_point_an_output_gave(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    insert(database, "2023-08-03 12:00:00")
    monkeypatch.setenv("AIRFLOW_VAR_HOUR_KEY", "11")
    node = sensor(
        since=SpecText("${day} ${hour}:00:00"),
        scope=FlowScope(secrets={"hour": "hour_key"}),
        inputs={"day": "read"},
    )
    outcome = run(node, given={"read": {"day": Data(("2023-08-03",))}})
    assert outcome.log[-1] == "Found a row of dms_arrived after 2023-08-03 ${hour}:00:00"


@SQLITE
def test_the_wait_is_handed_to_the_trigger(database: Database) -> None:
    insert(database, "2023-08-03 12:00:00")
    before = time.time()
    deferral = deferred(sensor(poke_interval=7))
    assert deferral.method_name == "resume"
    assert timedelta(hours=1) < deferral.timeout <= timedelta(hours=1, seconds=30)
    assert isinstance(deferral.trigger, TableTimeTrigger)
    path, arguments = deferral.trigger.serialize()
    assert path == "dms_provider.triggers.table_time_check.TableTimeTrigger"
    assert arguments["poke_interval"] == 7
    assert before + 3600 <= arguments["deadline"] <= time.time() + 3600
    again = TableTimeTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == (path, arguments)


@SQLITE
def test_without_a_timeout_the_wait_has_no_end(database: Database) -> None:
    insert(database)
    deferral = deferred(sensor(execution_timeout=None))
    assert deferral.timeout is None
    assert deferral.trigger.serialize()[1]["deadline"] is None


@SQLITE
def test_one_look(database: Database) -> None:
    insert(database, "2023-08-03 12:00:00")
    with pytest.raises(TableTimeCheckFailed) as caught:
        run(sensor(mode="once"))
    assert str(caught.value) == "there is no row of dms_arrived after 2023-08-03 12:00:00, and mode is once"
    run(sensor(mode="once", inclusive=True))


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="write wait or once"):
        sensor(mode="reschedule")


@SQLITE
def test_a_mistake_fails_at_once(database: Database) -> None:
    insert(database)
    with pytest.raises(TableTimeCheckFailed, match="no such table: dms_nowhere"):
        run(sensor(table=SpecText("dms_nowhere")))
    with pytest.raises(TableTimeCheckFailed, match="no such column: loaded_ad"):
        run(sensor(time_column=SpecText("loaded_ad")))


def test_a_connection_that_is_not_there_fails_at_once() -> None:
    with pytest.raises(TableTimeCheckFailed, match="nowhere"):
        run(sensor(conn_id="nowhere"))


def test_a_database_that_is_down_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", NOBODY_LISTENS)
    node = sensor()
    deferral = deferred(node)
    assert "pass-word" not in json.dumps(deferral.trigger.serialize())
    with pytest.raises(TableTimeCheckFailed, match=r"^source: .*(?:refused|connect)"):
        run(sensor(mode="once"))


@SQLITE
def test_no_secret_is_handed_to_the_trigger(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    insert(database)
    monkeypatch.setenv("AIRFLOW_VAR_REGION_KEY", "geheimnis")
    node = sensor(
        where=SpecText("region = '${region}' OR region = '${found}'"),
        scope=FlowScope(secrets={"region": "region_key"}),
        inputs={"found": "read"},
    )
    deferral = deferred(node, given={"read": {"found": Data(("o'clock",))}})
    stored = json.dumps(deferral.trigger.serialize())
    assert "geheimnis" not in stored
    assert "region_key" in stored
    assert "o'clock" in stored
    assert "geheimnis" not in node.where


@SQLITE
def test_a_secret_is_used_and_not_shown(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    insert(database, "2023-08-03 12:00:01")
    scope = FlowScope(secrets={"region": "region_key"})
    for secret, found in {"east": True, "west": False}.items():
        monkeypatch.setenv("AIRFLOW_VAR_REGION_KEY", secret)
        node = sensor(where=SpecText("region = '${region}'"), scope=scope, mode="once")
        if found:
            run(node)
        else:
            with pytest.raises(TableTimeCheckFailed):
                run(node)
    monkeypatch.setenv("AIRFLOW_VAR_REGION_KEY", "geheimnis")
    with pytest.raises(TableTimeCheckFailed) as caught:
        run(sensor(where=SpecText("no_such_${region} = 1"), scope=scope))
    assert "no such column" in str(caught.value)
    assert "geheim" not in str(caught.value)


@SQLITE
def test_waiting_on_the_worker(database: Database) -> None:
    insert(database)
    node = sensor(deferrable=False, poke_interval=0.05)
    timer = threading.Timer(0.5, insert, (database, "2023-08-04 00:00:00"))
    timer.start()
    outcome = run(node)
    timer.join()
    assert outcome.log.count("Not there yet; looking again in 0.05 s") > 1
    assert outcome.log[-1].startswith("Found ")


@SQLITE
def test_waiting_on_the_worker_ends_when_told_to(database: Database) -> None:
    insert(database)
    node = sensor(deferrable=False, poke_interval=3600)
    timer = threading.Timer(0.5, node.on_kill)
    timer.start()
    with pytest.raises(SessionStopped):
        run(node)
    timer.join()


@SERVERS
def test_a_look_that_is_going_is_stopped_on_the_server(database: Database) -> None:
    insert(database, "2023-08-03 12:00:01")
    node = sensor(where=SpecText(f"({database.slow}) > 0"))
    killer = threading.Thread(target=lambda: (wait_until(database.runs_a_query, "the look"), node.on_kill()))
    killer.start()
    with pytest.raises(SessionStopped):
        run(node)
    killer.join()
    database.wait_for_silence()


def test_the_end_that_the_trigger_tells() -> None:
    node = sensor()
    log = node._cached_logger = Log()  # type: ignore[assignment]  # where Airflow keeps it
    node.resume({}, {"found": "a row", "problem": None})  # type: ignore[typeddict-item]  # it is not read
    assert log.lines == ["Found a row"]
    with pytest.raises(TableTimeCheckFailed, match=r"^too late$"):
        node.resume({}, {"found": "a row", "problem": "too late"})  # type: ignore[typeddict-item]  # as above


@SQLITE
def test_a_dry_run_shows_the_query_and_asks_nobody(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_REGION_KEY", "geheimnis")
    node = sensor(
        where=SpecText("region = '${region}' AND x = '${found}'"),
        scope=FlowScope(secrets={"region": "region_key"}),
        inputs={"found": "read"},
        inclusive=True,
    )
    context: Any = context_of(node)
    log = node._cached_logger = Log()  # type: ignore[assignment]  # where Airflow keeps it
    node.render_template_fields(context)
    node.describe(context)
    assert log.lines == [
        "Would ask source, every 60 s, until there is a row:\n"
        "SELECT `loaded_at` FROM `dms_arrived`\n"
        "WHERE `loaded_at` >= '2023-08-03 12:00:00'\n"
        "AND (\n"
        "region = '***' AND x = '${found}'\n"
        ")\n"
        "ORDER BY `loaded_at` DESC LIMIT 1"
    ]


@SQLITE
@pytest.mark.parametrize("time_format", [None, "epoch"])
def test_a_dry_run_keeps_what_is_not_known(
    database: Database, monkeypatch: pytest.MonkeyPatch, time_format: str | None
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_DAY_KEY", "2023-08-03")
    for name in ("found", "day"):
        node = sensor(
            since=SpecText(f"${{{name}}}"),
            scope=FlowScope(secrets={"day": "day_key"}),
            inputs={"found": "read"},
            time_format=time_format,
            mode="once",
        )
        log = node._cached_logger = Log()  # type: ignore[assignment]  # where Airflow keeps it
        context: Any = context_of(node)
        node.render_template_fields(context)
        node.describe(context)
        assert ("'${found}'" if name == "found" else "'***'") in log.lines[0]


def test_a_dry_run_finds_what_would_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", "sqlite:///x")
    for more, message in (
        ({"since": SpecText("yesterday")}, "no point in time"),
        ({"time_format": "ddMMyyyy"}, "do not sort"),
        ({"where": SpecText("1 = 1) OR (1 = 1")}, "no balanced expression"),
        ({"table": SpecText("a..b")}, "is no name"),
        ({"conn_id": "nowhere"}, "does not exist"),
    ):
        node = sensor(**more)
        context: Any = context_of(node)
        node.render_template_fields(context)
        with pytest.raises((ValueError, RuntimeError), match=message):
            node.describe(context)


def test_jinja_is_for_python_dags_alone() -> None:
    text = "'{{ 1 + 1 }}' = ''"
    of_spec, of_python = (
        sensor(where=SpecText(text)),
        sensor(table="dms_arrived", time_column="a", since="2023-01-01", where=text),
    )
    for node, rendered in ((of_spec, text), (of_python, "'2' = ''")):
        node.render_template_fields(context_of(node))  # type: ignore[arg-type]  # enough of one
        assert node.where == rendered
