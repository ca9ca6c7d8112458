"""What validating a folder finds of dependency checks: circles of every kind, and none that is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dag_factory.validation import SpecFile, validate_specs

DAILY = {"day": {"at": "02:00"}}
HOURLY = {"hour": {"start": "00:00", "every": 1, "end": "23:59"}}
SQL = {"type": "single_instance_sql", "database": "w", "sql": "SELECT 1"}
TRUE = {"type": "conditional_branch", "condition": "1 == 1"}


def check(flow: str, window: str | None = None, **more: Any) -> dict[str, Any]:
    return {"type": "dependency_check", "flow": flow, **({"window": window} if window else {}), **more}


def flow(schedule: Any = DAILY, **nodes: dict[str, Any]) -> dict[str, Any]:
    timed = {} if schedule is None else {"schedule": schedule}
    return {"version": 1, "owner": "alice", **timed, "nodes": nodes}


def problems(
    folder: Path, flows: dict[str, dict[str, Any]], *, whole: bool = True
) -> list[tuple[str, str, str]]:
    """Return file, code and message of all that is wrong with some flows."""
    specs = []
    for name, spec in flows.items():
        path = folder / f"{name}.flow.yaml"
        path.write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
        specs.append(SpecFile(path, folder, path.name))
    return [(problem.file, problem.code, problem.message) for problem in validate_specs(specs, whole=whole)]


CIRCLES: dict[str, tuple[dict[str, Any], str]] = {
    "itself at the same time": ({"a": flow(c=check("a", "same_time"))}, "it waits for itself"),
    "itself on the same day": ({"a": flow(c=check("a", "same_day"))}, "it waits for itself"),
    "the last of its own day": ({"a": flow(HOURLY, c=check("a", "same_day"))}, "it waits for itself"),
    "its own descendant": (
        {"a": flow(
            c=check("a", "same_day", node="below"),
            mid={**SQL, "after": ["c"]}, below={**SQL, "after": ["mid"]},
        )},
        "it waits for itself",
    ),
    "its own descendant, below a condition": (
        {"a": flow(
            before=SQL, yes={**TRUE, "after": ["before"]},
            c={**check("a", "same_time", node="below"), "after": ["yes"]}, below={**SQL, "after": ["c"]},
        )},
        "it waits for itself",
    ),
    "two flows": (
        {"a": flow(c=check("b")), "b": flow({"day": {"at": "05:00"}}, c=check("a"))},
        "c of a -> c of b -> c of a",
    ),
    "three flows": (
        {
            "a": flow(c=check("b")), "b": flow(c=check("d", "same_time")),
            "d": flow(c=check("a", "last_2_days")),
        },
        "c of a -> c of b -> c of d -> c of a",
    ),
    "two flows, one hourly": (
        {"a": flow(c=check("b")), "b": flow(HOURLY, c=check("a"))},
        "c of a -> c of b -> c of a",
    ),
    "all of a week": (
        {"a": flow(c=check("b", "this_week", need="all")), "b": flow(c=check("a", "last_24_hours"))},
        "c of a -> c of b -> c of a",
    ),
    "nodes below": (
        {
            "a": flow(c=check("b", node="x"), x={**SQL, "after": ["c"]}),
            "b": flow(c=check("a", node="x"), x={**SQL, "after": ["c"]}),
        },
        "c of a -> c of b -> c of a",
    ),
    "started by hand": (
        {"a": flow(None, c=check("b")), "b": flow(None, c=check("a"))}, "c of a -> c of b -> c of a"
    ),
    "another zone": (
        {"a": flow(c=check("b")), "b": flow({**DAILY, "timezone": "Asia/Tokyo"}, c=check("a"))},
        "c of a -> c of b -> c of a",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CIRCLES)
def test_a_circle_is_found(tmp_path: Path, name: str) -> None:
    flows, words = CIRCLES[name]
    ((file, code, message),) = problems(tmp_path, flows, whole=False)
    assert (file, code) == ("a.flow.yaml", "deadlock")
    assert words in message


NO_CIRCLES: dict[str, dict[str, Any]] = {
    "own previous cycle": {"a": flow(c=check("a"), after={**SQL, "after": ["c"]})},
    "own week before": {"a": flow(c=check("a", "this_week", need="all"), d=check("a", "last_week"))},
    "own hours before": {"a": flow(HOURLY, c=check("a", "last_6_hours", need="all"))},
    "own node above": {"a": flow(x=SQL, c={**check("a", "same_time", node="x"), "after": ["x"]})},
    "own node beside": {"a": flow(x=SQL, c=check("a", "same_day", node="x"))},
    "one way": {"a": flow(c=check("b")), "b": flow(x=SQL)},
    "back to the cycle before": {"a": flow(c=check("b")), "b": flow(c=check("a", "previous_cycle"))},
    "back to the week before": {"a": flow(c=check("b")), "b": flow(c=check("a", "last_week", need="all"))},
    "a node above the other's check": {
        "a": flow(x=SQL, c={**check("b"), "after": ["x"]}),
        "b": flow(c=check("a", node="x")),
    },
    "a node beside the other's check": {
        "a": flow(x=SQL, c=check("b")),
        "b": flow(c=check("a", node="x")),
    },
    "other days": {
        "a": flow({"week": {"days": ["mon"], "at": "02:00"}}, c=check("b")),
        "b": flow({"week": {"days": ["tue"], "at": "02:00"}}, c=check("a")),
    },
    "hours before": {
        "a": flow({"day": {"at": "02:00"}}, c=check("b", "last_3_hours")),
        "b": flow({"day": {"at": "01:00"}}, c=check("a", "last_3_hours")),
    },
    "any of two days": {
        "a": flow(c=check("b", "last_2_days", need="any")),
        "b": flow(c=check("a", "last_2_days", need="any")),
    },
    "below a condition": {
        "a": flow(x=SQL, yes={**TRUE, "after": ["x"]}, c={**check("b"), "after": ["yes"]}),
        "b": flow(c=check("a")),
    },
    "started by hand, some time before": {
        "a": flow(None, c=check("b", "last_7_days")),
        "b": flow(None, c=check("a", "last_7_days")),
    },
    "an hour of the day before": {
        "a": flow({"day": {"at": "02:00"}}, c=check("b", "previous_cycle")),
        "b": flow(HOURLY, c=check("a", "previous_cycle")),
    },
    "a schedule that has ended": {
        "a": flow({"once": "2020-01-01 00:00"}, c=check("a", "same_time")),
    },
}


@pytest.mark.parametrize("name", NO_CIRCLES)
def test_there_is_no_circle(tmp_path: Path, name: str) -> None:
    found = problems(tmp_path, NO_CIRCLES[name])
    assert [code for _, code, _ in found if code != "past-schedule"] == []


def test_each_circle_is_told_once(tmp_path: Path) -> None:
    flows = {
        "a": flow(own=check("a", "same_time"), other=check("b")),
        "b": flow(c=check("a")),
    }
    found = [message for _, code, message in problems(tmp_path, flows) if code == "deadlock"]
    assert len(found) == 2


def test_what_is_not_there(tmp_path: Path) -> None:
    flows = {
        "hourly_load": flow(HOURLY, load=SQL),
        "a": flow(
            c=check("hourly_laod"), d=check("hourly_load", node="laod"), e=check("hourly_load", node="load")
        ),
        "own.draft": {**flow(c=check("own"), d=check("own", node="none")), "id": "own"},
    }
    assert problems(tmp_path, flows) == [
        ("a.flow.yaml", "unknown-flow",
         "no spec here is a flow 'hourly_laod'; the node waits until there is a flow, or DAG, of this id"),
        ("a.flow.yaml", "unknown-node", "flow hourly_load has no node 'laod'"),
        ("own.draft.flow.yaml", "unknown-node", "flow own has no node 'none'"),
    ]  # fmt: skip
    some = problems(tmp_path, flows, whole=False)
    assert [code for _, code, _ in some] == ["unknown-node", "unknown-node"]
    # one that cannot be read may be the one that is missing
    broken = problems(tmp_path, {**flows, "broken": {"version": 1}})
    assert "unknown-flow" not in [code for _, code, _ in broken]
