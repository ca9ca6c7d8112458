from __future__ import annotations

from typing import Any

import pytest

from dms_provider.operators.base import SpecText
from dms_provider.operators.outputs import Output, OutputError
from dms_provider.operators.sql import StatementFailed
from dms_provider.operators.sql_assignment import SQLAssignmentOperator
from dms_provider.variables.values import Data
from tests.dms_provider.databases import Database
from tests.dms_provider.operators.running import Outcome, run

THREE_ROWS = "SELECT 1 AS n, 'a' AS s UNION ALL SELECT 2, 'b' UNION ALL SELECT 3, 'c' ORDER BY 1"


def assign(sql: str, outputs: dict[str, Output], **arguments: Any) -> Outcome:
    given = arguments.pop("given", None)
    return run(
        SQLAssignmentOperator(
            task_id="late", conn_id="source", owner="alice", sql=SpecText(sql), outputs=outputs, **arguments
        ),
        given,
    )


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (Output(0, 1), "a"),
        (Output(2, 0), "3"),
        (Output("all", 0, ","), "1,2,3"),
        (Output(0, "all", ","), "1,a"),
        (Output("all", 1, "','"), "a','b','c"),
        (Output("all", "s", "-"), "a-b-c"),
        (Output(1, "S"), "b"),
        (Output(5, 0, if_empty="none"), "none"),
    ],
)
def test_cells_become_values(database: Database, output: Output, text: str) -> None:
    """The oracles of DMS reference, section 2.7."""
    assert assign(THREE_ROWS, {"x": output}).outputs["x"].text == text


def test_a_list_keeps_its_elements(database: Database) -> None:
    outputs = assign(THREE_ROWS, {"x": Output("all", 1, "','")}).outputs
    assert outputs == {"x": Data(("a", "b", "c"), combiner="','")}


@pytest.mark.parametrize("output", [Output(3, 0), Output(0, 7), Output(0, "missing")])
def test_a_cell_that_is_not_there_fails_by_name(database: Database, output: Output) -> None:
    with pytest.raises(OutputError, match="output x: "):
        assign(THREE_ROWS, {"x": output})


def test_an_empty_list_fails_unless_it_has_a_value(database: Database) -> None:
    none = "SELECT 1 AS n FROM (SELECT 1) t WHERE 1 = 0"
    with pytest.raises(OutputError, match=r"output x: .*if_empty"):
        assign(none, {"x": Output("all", 0, ",")})
    outputs = assign(none, {"x": Output("all", 0, ",", "number", "0")}).outputs
    assert outputs == {"x": Data(("0",), combiner=",", type="number")}


def test_data_goes_in_and_null_comes_out(database: Database) -> None:
    outputs = assign(
        "SELECT '${name}', NULL",
        {"x": Output(0, 0), "nothing": Output(0, 1)},
        inputs={"name": "before"},
        given={"before": {"name": Data(("it's \\ %s",))}},
    ).outputs
    assert outputs == {"x": Data(("it's \\ %s",)), "nothing": Data((None,))}


def test_types_are_checked_where_values_enter(database: Database) -> None:
    assert assign("SELECT 12.50", {"x": Output(0, 0, type="number")}).outputs["x"].text == (
        "12.5" if database.kind == "sqlite" else "12.50"
    )
    with pytest.raises(OutputError, match="output x: row 0: '1; DROP' is no number"):
        assign("SELECT '1; DROP'", {"x": Output(0, 0, type="number")})


@pytest.mark.parametrize(
    "sql", ["DELETE FROM dms_t", "SELECT 1; SELECT 2", "", "-- nothing", "WITH x AS (SELECT 1) DELETE FROM x"]
)
def test_only_one_query_is_accepted(database: Database, sql: str) -> None:
    with pytest.raises(StatementFailed):
        assign(sql, {"x": Output(0, 0)})


def test_a_query_that_changes_something_is_refused_by_the_server(
    postgres_server: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", postgres_server.airflow_uri)
    with postgres_server.connect() as connection:
        connection.execute("CREATE SEQUENCE IF NOT EXISTS dms_s")
    with pytest.raises(StatementFailed, match="read-only transaction"):
        assign("SELECT nextval('dms_s')", {"x": Output(0, 0)})


def test_no_more_rows_are_read_than_needed(database: Database) -> None:
    outcome = assign(database.endless, {"x": Output(2, 0)})
    assert outcome.outputs["x"].text.isdigit()
    assert any(line.startswith("3 rows read") for line in outcome.log)
    database.wait_for_silence()


def test_values_above_the_limit_fail_without_reading_on(database: Database) -> None:
    with pytest.raises(OutputError, match="larger than 10000 bytes"):
        assign(database.endless, {"x": Output("all", 0, ",")}, max_output_bytes=10_000)
    database.wait_for_silence()


def test_two_columns_of_one_name_are_told_apart_by_number(database: Database) -> None:
    with pytest.raises(OutputError, match="2 columns are named 'n'"):
        assign("SELECT 1 AS n, 2 AS n", {"x": Output(0, "n")})
    assert assign("SELECT 1 AS n, 2 AS n", {"x": Output(0, 1)}).outputs["x"].text == "2"


@pytest.mark.parametrize(
    "database", ["postgres", "mariadb", "mysql", "oceanbase"], indirect=True
)  # SQLite has no such types
def test_cells_of_a_real_server_as_text(database: Database) -> None:
    sql = {
        "postgres": "SELECT CAST('2021-08-12' AS date), CAST('2021-08-12 01:02:03.5' AS timestamp), "
        "1e20::float8, "
        "CAST('0.10' AS numeric(5, 2)), true, '{\"a\": [1, null]}'::jsonb, '01:02:03'::time, 'x'::bytea"
    }.get(
        database.kind,
        "SELECT CAST('2021-08-12' AS date), CAST('2021-08-12 01:02:03.5' AS datetime(6)), 1e20, "
        "CAST('0.10' AS decimal(5, 2)), true, '{\"a\": [1, null]}', CAST('01:02:03' AS time), "
        "CAST('x' AS binary)",
    )
    elements = assign(sql, {"x": Output(0, "all", "|")}).outputs["x"].elements
    truth = "true" if database.kind == "postgres" else "1"
    assert elements == (
        "2021-08-12 00:00:00",
        "2021-08-12 01:02:03",
        "100000000000000000000",
        "0.10",
        truth,
        '{"a": [1, null]}',
        "01:02:03",
        "x",
    )


@pytest.mark.parametrize(
    "arguments", [{"row": "all", "column": "all"}, {"row": "all", "column": 0}, {"row": -1, "column": 0}]
)
def test_an_output_that_means_nothing_is_refused_at_once(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="row"):
        Output(**arguments)
