from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.dag_factory.cli.conftest import FLOW, Outcome

Command = Callable[..., Outcome]
AT = ["--run-time", "2023-08-03T02:55", "--dialect", "postgres", "--output", "json"]


def test_the_whole_document(command: Command, spec: Path) -> None:
    outcome = command("preview", spec, *AT, "--set", "late_flights=120", "--set", "carrier=O'Hare")
    assert outcome.status == 0
    assert outcome.json == {
        "flow": "daily",
        "run_time": "2023-08-03T02:55:00+08:00",
        "business_time": "2023-08-02T02:55:00+08:00",
        "variables": {
            "month": "202307",
            "region": "east",
            "token": "***",
            "bizdate": "2023-08-02",
            "business_time": "2023-08-02 02:55:00",
            "flow_id": "daily",
            "flow_name": "daily",
            "run_time": "2023-08-03 02:55:00",
            "late_flights": "120",
            "carrier": "O'Hare",
        },
        "nodes": {
            "late": {
                "type": "sql_assignment",
                "statements": ["SELECT count(*) FROM flights WHERE day = '2023-08-02' AND region = 'east'"],
            },
            "many": {"type": "conditional_branch", "condition": "120 > 100", "result": True},
            "report": {
                "type": "single_instance_sql",
                "statements": [
                    "DELETE FROM report_202307",
                    "INSERT INTO report_202307 VALUES ('O''Hare',  120 , '***', '${run_id}')",
                ],
            },
        },
    }


def nodes(outcome: Outcome) -> Any:
    return outcome.json["nodes"]


def test_an_output_not_set_stays_as_written(command: Command, spec: Path) -> None:
    outcome = command("preview", spec, *AT)
    assert outcome.status == 0
    assert nodes(outcome)["many"] == {
        "type": "conditional_branch",
        "condition": "${late_flights} > 100",
        "result": None,
    }
    assert nodes(outcome)["report"]["statements"][1].startswith(
        "INSERT INTO report_202307 VALUES ('${carrier}', ${late_flights},"
    )


def test_business_time_is_a_day_before_run_time(command: Command, spec: Path) -> None:
    by_business_time = ["--business-time", "2023-08-02T02:55:00+08:00", *AT[2:]]
    assert command("preview", spec, *by_business_time).json == command("preview", spec, *AT).json


def test_one_node(command: Command, spec: Path) -> None:
    assert list(nodes(command("preview", spec, *AT, "--node", "late"))) == ["late"]
    wrong = command("preview", spec, *AT, "--node", "lat")
    assert wrong.status == 2
    assert "did you mean late?" in wrong.err


@pytest.mark.parametrize(
    ("setting", "node", "part"),
    [
        ("late_flights=1 OR 1", "report", "${late_flights}"),
        ("late_flights=abc", "many", "${late_flights}"),
    ],
)
def test_a_node_that_would_fail_says_why(
    command: Command, spec: Path, setting: str, node: str, part: str
) -> None:
    outcome = command("preview", spec, *AT, "--set", setting)
    assert outcome.status == 1
    assert part in nodes(outcome)[node]["error"]


@pytest.mark.parametrize(
    ("replaced", "by", "dialect", "part"),
    [
        (
            "    sql: |\n",
            "    transaction: true\n    sql: |\n      CREATE TABLE t (a int);\n",
            "mysql",
            "CREATE",
        ),
        ("SELECT count(*)", "SELECT 1 AS a; DELETE", "mysql", "more than one statement"),
    ],
)
def test_what_only_the_dialect_tells(
    command: Command, spec: Path, replaced: str, by: str, dialect: str, part: str
) -> None:
    spec.write_text(FLOW.replace(replaced, by))
    outcome = command("preview", spec, *AT[:2], "--dialect", dialect, "--output", "json")
    assert outcome.status == 1
    shown = outcome.json
    told = outcome.err + "".join(
        node.get("error", "") for node in (shown["nodes"].values() if isinstance(shown, dict) else ())
    )
    assert part in told


def test_the_dialect_decides_how_a_value_is_escaped(command: Command, spec: Path) -> None:
    shown = {
        dialect: nodes(
            command(
                "preview", spec, *AT[:2], "--dialect", dialect, "--output", "json", "--set", "carrier=a\\b"
            )
        )["report"]["statements"][1]
        for dialect in ("mysql", "sqlite")
    }
    assert "'a\\\\b'" in shown["mysql"]
    assert "'a\\b'" in shown["sqlite"]


def test_statements_in_files(command: Command, spec: Path) -> None:
    (spec.parent / "q.sql").write_text("SELECT 1;\nSELECT '${bizdate}'")
    spec.write_text(
        "version: 1\nowner: bob\nnodes:\n"
        "  here: {type: single_instance_sql, database: w, sql_file: q.sql}\n"
        "  there: {type: single_instance_sql, database: w, sql_file: 'oss://c/b/${bizdate}.sql'}\n"
        "  away: {type: single_instance_sql, database: w, sql: 'SELECT 1',"
        " unload: {to: 'oss://c/b/${bizdate}.csv'}}\n"
    )
    found = nodes(command("preview", spec, *AT))
    assert found["here"]["statements"] == ["SELECT 1", "SELECT '2023-08-02'"]
    assert found["there"] == {
        "type": "single_instance_sql",
        "statements": [],
        "sql_file": "oss://c/b/2023-08-02.sql",
    }
    assert found["away"]["statements"] == ["SELECT 1"]
    assert found["away"]["unload"] == "oss://c/b/2023-08-02.csv"


def test_what_is_waited_for(command: Command, spec: Path) -> None:
    spec.write_text(
        "version: 1\nid: own\nowner: bob\nnodes:\n"
        "  other: {type: dependency_check, flow: other, node: load}\n"
        "  week: {type: dependency_check, flow: other, window: this_week, need: all}\n"
        "  before: {type: dependency_check, flow: own}\n"
        "  ages: {type: dependency_check, flow: other, window: last_9999_days}\n"
    )
    found = nodes(command("preview", spec, "--output", "json", "--business-time", "2023-08-02T02:55:00"))
    assert found["other"] == {
        "type": "dependency_check",
        "checks": [
            "latest of node load of other, same_day of 2023-08-02 02:55:00: business times from 2023-08-02"
            " 00:00:00 to 2023-08-02 23:59:59 (Asia/Shanghai)"
        ],
    }
    assert "business times from 2023-07-31 00:00:00 to 2023-08-02 23:59:59" in found["week"]["checks"][0]
    assert "previous_cycle" in found["before"]["checks"][0]
    assert "business times from any time to 2023-08-02 02:54:59" in found["before"]["checks"][0]
    found = nodes(command("preview", spec, "--output", "json", "--business-time", "0002-08-02"))
    assert "leads out of the calendar" in found["ages"]["error"]


def test_the_type_of_a_connection_that_airflow_knows_comes_first(spec: Path) -> None:
    from argparse import Namespace

    from dag_factory.cli.preview import _dialect_finder

    known = {"warehouse": "mysql"}
    find = _dialect_finder(Namespace(dialect="sqlite", connection_type=known.get), True)
    assert (find("warehouse"), find("other")) == ("mysql", "sqlite")


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ([], "--dialect"),
        (["--dialect", "mysqll"], "mysqll"),
        (["--dialect", "mysql", "--set", "late_flights"], "NAME=VALUE"),
        (["--dialect", "mysql", "--set", "late_flight=1"], "did you mean late_flights?"),
        (["--dialect", "mysql", "--run-time", "soon"], "--run-time"),
        (["--dialect", "mysql", "--run-time", "2023-08-03", "--business-time", "2023-08-03"], "not both"),
    ],
)
def test_wrong_usage(command: Command, spec: Path, options: list[str], part: str) -> None:
    outcome = command("preview", spec, *options)
    assert (outcome.status, outcome.out) == (2, "")
    assert part in outcome.err


def test_text_for_people(command: Command, spec: Path) -> None:
    outcome = command("preview", spec, *AT[:4], "--set", "late_flights=1")
    assert "== many (conditional_branch)\ncondition: 1 > 100\nresult: false\n" in outcome.out
    assert "DELETE FROM report_202307\n;\n" in outcome.out
