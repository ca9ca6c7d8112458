"""Valid specs become flows, editors agree, each mistake is told in words, with a code and a suggestion."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from collections import Counter
from datetime import time, timedelta
from typing import Any

import jsonschema
import pytest

from dag_factory.source import read_document
from dag_factory.spec import NODE_TYPES, Flow, json_schema, node_model, parse_flow, parse_partly
from dms_provider import schedules
from tests.dag_factory.spec import yaml12

VALID = sorted((pathlib.Path(__file__).parents[2] / "flows" / "valid").glob("*.yaml"))
BASE = "version: 1\nowner: alice\nnodes:\n  load: {type: single_instance_sql, database: w, sql: SELECT 1}\n"
SQL = "type: single_instance_sql, database: w"
QUERY = "type: sql_assignment, database: w, sql: SELECT 1"
ECS = "type: ecs_remote_command, connection: c, region: r, instance: i"
AUDIT = "type: audit, database: w, table: t"
WAIT = "type: dependency_check, flow: f"


def parse(text: str) -> Flow | list[Any]:
    return parse_flow(read_document(text.encode(), "f").values)


def flow_of(text: str) -> Flow:
    flow = parse(text)
    assert isinstance(flow, Flow), flow
    return flow


def editor() -> jsonschema.Draft202012Validator:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.name)
def test_a_valid_spec_is_a_flow_for_us_and_for_editors(path: pathlib.Path) -> None:
    text = path.read_text(encoding="utf-8")
    flow_of(text)
    assert [error.message for error in editor().iter_errors(yaml12.load(text))] == []


def test_there_is_a_valid_spec_for_every_node_type_and_kind_of_schedule() -> None:
    flows = [flow_of(path.read_text(encoding="utf-8")) for path in VALID]
    assert {node.type for flow in flows for node in flow.nodes.values()} == set(NODE_TYPES)
    assert {flow.schedule.kind for flow in flows if flow.schedule} == {
        "hour",
        "day",
        "week",
        "month",
        "once",
        "cron",
    }


def test_defaults_are_those_of_the_language() -> None:
    flow = flow_of(BASE)
    policies = (flow.error_handling, flow.concurrency, flow.mode_2_scope)
    assert (flow.scenario, flow.public, *policies, flow.locale) == (
        "default", False, "complete_running_tasks", "skip", "all", "zh",
    )  # fmt: skip
    assert flow.timeout == timedelta(hours=18)
    assert flow.notifications.failure == ("owner",)
    assert flow.notifications.success == flow.stakeholders == flow.notifications.not_run == ()
    node = flow.nodes["load"]
    assert (node.retry.count, node.retry.interval, node.after) == (0, timedelta(minutes=10), ())
    hours = {
        name: node_model(name).model_fields["timeout"].default / timedelta(hours=1) for name in NODE_TYPES
    }
    assert hours == {
        "single_instance_sql": 14, "sql_assignment": 2, "conditional_branch": pytest.approx(1 / 6),
        "ecs_remote_command": 1, "table_time_check": 1, "audit": 4, "dependency_check": 12,
    }  # fmt: skip


def test_texts_stay_as_written_and_references_are_found() -> None:
    complete = flow_of(next(p for p in VALID if p.name.startswith("complete")).read_text(encoding="utf-8"))
    assert complete.constants == {"region": "east", "branch": "007"}
    assert complete.nodes["late"].outputs["worst"].column == 1  # type: ignore[attr-defined]  # a query's node
    kinds = {kind for node in complete.nodes.values() for _, _, kind in node.texts()}
    assert kinds == {"sql", "script", "condition", "value", "expression", "author"}


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("day: {at: 12:30}", schedules.Daily(time(12, 30))),
        ("week: {days: [mon, sun], at: 00:00}", schedules.Weekly((0, 6), time(0))),
        ("month: {days: [1, last], at: 01:00}", schedules.Monthly((1, "last"), time(1))),
        ("hour: {at: [0, 5]}", schedules.HoursOfDay((0, 5))),
        ("hour: {start: 00:00, every: 6, end: 20:59}", schedules.HourInterval(time(0), 6, time(20, 59))),
        ("cron: 0 55 2 * * ?", schedules.Cron("0 55 2 * * ?")),
    ],
)
def test_a_schedule_becomes_a_calendar(written: str, rule: object) -> None:
    schedule = flow_of(f"{BASE}schedule:\n  {written}\n").schedule
    assert schedule is not None
    assert schedule.to_schedule().rule == rule


MISTAKES = [
    ("schedul: {}", "schedul", "unknown-key", "schedule"),
    ("public: maybe", "public", "wrong-type", None),
    ("stakeholders: bob", "stakeholders", "wrong-type", "[bob]"),
    ("description:", "description", "wrong-type", None),
    ("concurrency: skipp", "concurrency", "wrong-value", "skip"),
    ("timeout: 2 hours", "timeout", "wrong-value", "2h"),
    ("timeout: 0s", "timeout", "wrong-value", None),
    ("id: a__draft", "id", "wrong-value", None),
    ("pools: {p: none}", "pools.p", "wrong-type", None),
    ("constants: {a b: c}", "constants.a b", "wrong-value", None),
    ("schedule: {}", "schedule", "wrong-schedule", None),
    ("schedule: {day: {at: 00:00}, once: 2026-12-01 02:00}", "schedule.once", "wrong-schedule", None),
    ("schedule: {day: {at: 24:00}}", "schedule.day.at", "wrong-value", None),
    ("schedule: {day: {}}", "schedule.day", "missing-key", None),
    ("schedule: {week: {days: [moon], at: 00:00}}", "schedule.week.days.0", "wrong-value", "mon"),
    ("schedule: {cron: 99 3 * * *}", "schedule.cron", "wrong-schedule", None),
    (
        "schedule: {day: {at: 00:00}, timezone: Asia/Shangai}",
        "schedule.timezone",
        "wrong-value",
        "Asia/Shanghai",
    ),
    ("schedule: {hour: {at: [1], every: 2}}", "schedule.hour.every", "wrong-schedule", None),
    ("notifications: {timeout: {after: 1h}}", "notifications.timeout", "missing-key", None),
    (f"n: {{{SQL}, sql: x, sql_file: y}}", "nodes.n.sql_file", "wrong-value", None),
    (f"n: {{{SQL}}}", "nodes.n", "missing-key", None),
    (f"n: {{{SQL}, sql: x, retry: {{cont: 3}}}}", "nodes.n.retry.cont", "unknown-key", "count"),
    (f"n: {{{SQL}, sql: x, unload: {{to: s3://a}}}}", "nodes.n.unload.to", "wrong-value", None),
    ("n: {type: single_instance_sq}", "nodes.n.type", "unknown-type", "single_instance_sql"),
    ("n: {}", "nodes.n", "missing-key", None),
    ("n: hello", "nodes.n", "wrong-type", None),
    (f"dms__n: {{{SQL}, sql: x}}", "nodes.dms__n", "wrong-value", None),
    (f"n: {{{QUERY}}}", "nodes.n", "missing-key", None),
    (f"n: {{{QUERY}, outputs: {{x: {{row: all, column: 0}}}}}}", "nodes.n.outputs.x", "missing-key", None),
    (
        f"n: {{{QUERY}, outputs: {{x: {{row: all, column: all}}}}}}",
        "nodes.n.outputs.x.column",
        "wrong-value",
        None,
    ),
    (
        f"n: {{{QUERY}, outputs: {{x: {{row: al, column: 0}}}}}}",
        "nodes.n.outputs.x.row",
        "wrong-value",
        "all",
    ),
    (
        f"n: {{{QUERY}, outputs: {{x: {{row: 0, column: 0, combiner: c}}}}}}",
        "nodes.n.outputs.x.combiner",
        "wrong-value",
        None,
    ),
    (f"n: {{{ECS}}}", "nodes.n", "missing-key", None),
    (f"n: {{{ECS}, script: x, script_type: bash}}", "nodes.n.script_type", "wrong-value", None),
    (f"n: {{{AUDIT}, rules: []}}", "nodes.n.rules", "wrong-value", None),
    (
        f"n: {{{AUDIT}, rules: [{{metric: row_count, check: = 3}}]}}",
        "nodes.n.rules.0.check",
        "wrong-value",
        "== 3",
    ),
    (
        f"n: {{{AUDIT}, rules: [{{metric: match_rate, column: c, check: <= 3}}]}}",
        "nodes.n.rules.0",
        "missing-key",
        None,
    ),
    (
        f"n: {{{AUDIT}, rules: [{{sql: x, metric: min, check: <= 3}}]}}",
        "nodes.n.rules.0.metric",
        "wrong-value",
        None,
    ),
    (f"n: {{{WAIT}, window: same_dai}}", "nodes.n.window", "wrong-value", "same_day"),
    (f"n: {{{WAIT}, need: al}}", "nodes.n.need", "wrong-value", "all"),
    (f"n: {{{WAIT}, window: last_24h}}", "nodes.n.window", "wrong-value", "last_24_hours"),
    (f"n: {{{WAIT}, window: last_2_weeks}}", "nodes.n.window", "wrong-value", "last_14_days"),
    (
        f"n: {{{QUERY}, outputs: {{x: {{row: 0, column: 0, type: number, if_empty: none}}}}}}",
        "nodes.n.outputs.x.if_empty",
        "wrong-value",
        None,
    ),
    (
        f"n: {{{ECS}, script: x, outputs: {{x: {{type: date, if_empty: 2023-02-30}}}}}}",
        "nodes.n.outputs.x.if_empty",
        "wrong-value",
        None,
    ),
    ("public: yes", "public", "wrong-type", "true"),
    ("public: Off", "public", "wrong-type", "false"),
    ("pools: {p: 1_000}", "pools.p", "wrong-type", None),
    ("pools: {p: 4.0}", "pools.p", "wrong-type", None),
    ("pools: {p: 0}", "pools.p", "wrong-value", None),
    ("timeout: 18h30m", "timeout", "wrong-value", "1110m"),
    ("timeout: 1w", "timeout", "wrong-value", "7d"),
    ("timeout: 18", "timeout", "wrong-value", None),
    ("timeout: ２h", "timeout", "wrong-value", None),
    ("schedule: {day: {at: 00:00}, timezone: UTC+8}", "schedule.timezone", "wrong-value", "Asia/Shanghai"),
    (
        "schedule: {day: {at: 00:00}, timezone: new york}",
        "schedule.timezone",
        "wrong-value",
        "America/New_York",
    ),
    ("schedule: {day: {at: 00:00}, timezone: UTC+5}", "schedule.timezone", "wrong-value", None),
    ("schedule: {week: {days: [Monday], at: 00:00}}", "schedule.week.days.0", "wrong-value", "mon"),
    (
        "schedule: {day: {at: 00:00}, effective: {from: 2023-8-3}}",
        "schedule.effective.from",
        "wrong-value",
        "2023-08-03",
    ),
    ("schedule: {once: 2026-02-30 02:00}", "schedule.once", "wrong-value", None),
    ("notifications: {failure: [Owners]}", "notifications.failure.0", "wrong-value", "owner"),
    ("notifications: {failure: [a@b@c]}", "notifications.failure.0", "wrong-value", None),
    (
        "n: {type: audit, database: 'mysql://u:p@h/d', table: t, rules: [{metric: row_count, check: < 1}]}",
        "nodes.n.database",
        "wrong-value",
        None,
    ),
    (f"n: {{{SQL}, sql_file: oss://a/b}}", "nodes.n.sql_file", "wrong-value", None),
    (f"n: {{{AUDIT}, rules: [{{metric: rows, check: < 1}}]}}", "nodes.n.rules.0.metric", "wrong-value", None),
]


WORDS = [
    (f"{QUERY}, outputs: {{x: {{row: 0, column: 0, default: 5}}}}", "row, column, combiner, type, if_empty"),
    (f"{AUDIT}, rules: [{{metric: row_count, check: < 1, colum_: x}}]", "did you mean column?"),
    (f"{SQL}, sql: x, retry: 3", "a mapping with count, interval, found '3'"),
    (f"{SQL}, sql: x, name: ", "expected text, found nothing; write a value, or leave the key out"),
    (f"{ECS}, script: x, instance: []", "this is empty; give at least one"),
    ("Type: single_instance_sql, database: w", "unknown key 'Type'; did you mean type?"),
]


@pytest.mark.parametrize(("node", "words"), WORDS, ids=[node for node, _ in WORDS])
def test_a_message_says_what_would_be_right(node: str, words: str) -> None:
    found = parse(f"{BASE}  n: {{{node.replace('instance: i, script: x, ', 'script: x, ')}}}\n")
    assert isinstance(found, list)
    told = [f"{f.message}; did you mean {f.suggestion}?" if f.suggestion else f.message for f in found]
    assert any(message.endswith(words) for message in told), told


@pytest.mark.parametrize(("written", "path", "code", "suggestion"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_told(written: str, path: str, code: str, suggestion: str | None) -> None:
    text = f"{BASE}  {written}\n" if path.startswith("nodes.") else f"{BASE}{written}\n"
    found = parse(text)
    assert isinstance(found, list)
    assert [(".".join(map(str, f.path)), f.code, f.suggestion) for f in found] == [(path, code, suggestion)]
    message = found[0].message
    assert "\n" not in message
    assert "pydantic" not in message.lower()
    if code in ("unknown-key", "unknown-type", "missing-key") and "schedule" not in path:
        assert not editor().is_valid(yaml12.load(text))


def test_all_mistakes_are_told_at_once_and_the_rest_can_still_be_looked_at() -> None:
    values = read_document(
        b"version: 2\nownr: a\ntimeout: x\nschedule: {cron: 99 3 * * *}\nnodes:\n"
        b"  a: {type: nope, after: [b], retry: {count: x}}\n"
        b"  b: {type: single_instance_sql, sql: 'SELECT ${x}', pol: y}\n"
        b"  c: {type: sql_assignment, database: w, sql: x, outputs: {x: {row: 0}}}\n",
        "f",
    ).values
    parsed = parse_partly(values)
    assert Counter(finding.code for finding in parsed.findings) == {
        "missing-key": 3,
        "unknown-key": 2,
        "unknown-type": 1,
        "wrong-schedule": 1,
        "wrong-type": 1,
        "wrong-value": 2,
    }
    assert parsed.flow is not None
    assert parsed.flow.nodes["a"].after == ("b",)
    assert list(parsed.flow.nodes["b"].texts()) == [(("sql",), "SELECT ${x}", "sql")]
    assert list(parsed.flow.nodes["c"].outputs) == ["x"]  # type: ignore[attr-defined]  # a broken node has them


def test_a_flow_of_sql_nodes_imports_no_other_model_and_no_airflow() -> None:
    code = f"""
import json, sys
from dag_factory.source import read_document
from dag_factory.spec import parse_flow
parse_flow(read_document({BASE!r}.encode(), "f").values).nodes
print(json.dumps([m for m in sys.modules if m.startswith(("airflow", "dag_factory.spec."))]))
"""
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert "dag_factory.spec.nodes.single_instance_sql" in loaded
    unwanted = (
        "airflow",
        "dag_factory.spec.nodes.audit",
        "dag_factory.spec.schedule",
        "dag_factory.spec.mistakes",
    )
    assert not [module for module in loaded if module.startswith(unwanted)]
