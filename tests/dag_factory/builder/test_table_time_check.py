"""The words of a table_time_check in a spec, in the sensor and in the preview."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.serialization.serialized_objects import DagSerialization

from dag_factory.builder import build_dag
from dag_factory.cli.main import main
from dag_factory.validation import validate_file
from dms_provider.sensors.table_time_check import TableTimeCheckSensor

SPEC = """\
version: 1
owner: alice
secrets: {token: key}
nodes:
  read:
    type: sql_assignment
    database: warehouse
    sql: SELECT 1
    outputs: {region: {row: 0, column: 0}, since: {row: 0, column: 0}}
  arrived:
    type: table_time_check
    after: [read]
    database: warehouse
    table: ops.flights
    time_column: order
    since: ${bizdate} 00:00:00
    time_format: yyyyMMddHH
    inclusive: true
    where: region = '${region}' OR token = '${token}' -- 5%
    interval: 30s
    mode: once
    timeout: 1d
  plain:
    type: table_time_check
    after: [read]
    database: warehouse
    table: flights
    time_column: loaded_at
    since: ${since}
    time_format: epoch
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "arrivals.flow.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


def test_every_word_reaches_the_sensor(spec: Path) -> None:
    dag = build_dag(validate_file(spec))
    arrived, plain = dag.get_task("arrived"), dag.get_task("plain")
    assert isinstance(arrived, TableTimeCheckSensor)
    assert isinstance(plain, TableTimeCheckSensor)
    assert (arrived.conn_id, arrived.table, arrived.time_column) == ("warehouse", "ops.flights", "order")
    assert (arrived.since, arrived.time_format) == ("${bizdate} 00:00:00", "yyyyMMddHH")
    assert arrived.where == "region = '${region}' OR token = '${token}' -- 5%"
    assert (arrived.inclusive, arrived.mode, arrived.poke_interval) == (True, "once", 30)
    assert (arrived.deferrable, arrived.execution_timeout) == (True, timedelta(days=1))
    assert arrived.inputs == {"region": "read"}
    assert (plain.where, plain.inclusive, plain.mode, plain.poke_interval) == ("", False, "wait", 60)
    assert plain.execution_timeout == timedelta(hours=1)
    json.dumps(DagSerialization.to_dict(dag))


def preview(spec: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, object]]:
    main(["preview", str(spec), "--run-time", "2023-08-04T02:55", "--output", "json", *words])
    nodes: dict[str, dict[str, object]] = json.loads(capsys.readouterr().out)["nodes"]
    return nodes


def test_the_preview_shows_the_query(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = preview(spec, capsys, "--dialect", "postgres", "--set", "region=O'Hare")
    assert nodes["arrived"] == {
        "type": "table_time_check",
        "statements": [
            'SELECT 1 FROM "ops"."flights"\n'
            "WHERE \"order\" >= '2023080300'\n"
            "AND (\n"
            "region = 'O''Hare' OR token = '***' -- 5%\n"
            ")\n"
            'ORDER BY "order" DESC LIMIT 1'
        ],
    }
    assert nodes["plain"]["statements"] == [
        'SELECT 1 FROM "flights"\nWHERE "loaded_at" > \'${since}\'\nORDER BY "loaded_at" DESC LIMIT 1'
    ]


@pytest.mark.parametrize(
    ("dialect", "begin", "end"),
    [
        ("mysql", "SELECT `loaded_at` FROM `flights`", "ORDER BY `loaded_at` DESC LIMIT 1"),
        ("mssql", "SELECT TOP 1 1 FROM [flights]", "ORDER BY [loaded_at] DESC"),
        ("oracle", 'SELECT 1 FROM "flights"', "AND ROWNUM = 1"),
        ("ibmdb2", 'SELECT 1 FROM "flights"', 'ORDER BY "loaded_at" DESC FETCH FIRST 1 ROWS ONLY'),
        ("maxcompute", "SELECT 1 FROM `flights`", "ORDER BY `loaded_at` DESC LIMIT 1"),
    ],
)
def test_one_row_in_every_dialect(
    spec: Path, capsys: pytest.CaptureFixture[str], dialect: str, begin: str, end: str
) -> None:
    words = ("--dialect", dialect, "--node", "plain", "--set", "since=2023-08-03 08:00:00")
    (statement,) = preview(spec, capsys, *words)["plain"]["statements"]  # type: ignore[misc]  # a list
    lines = str(statement).splitlines()
    assert (lines[0], lines[-1]) == (begin, end)
    assert lines[1].split()[-2:] == [">", "1691020800"]


def test_the_preview_tells_what_would_fail(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--dialect", "postgres", "--node", "plain", "--set", "since=x' OR 1=1 --")
    assert "no point in time" in str(preview(spec, capsys, *words)["plain"]["error"])
