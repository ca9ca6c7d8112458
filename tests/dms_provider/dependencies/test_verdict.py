"""What holds, given runs and how they stand: every need, first runs, failed runs, kinds of run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dms_provider.dependencies import NotedRun, NotedRuns, Verdict, judge, looked_for, variable_key
from dms_provider.schedules import Schedule
from tests.dms_provider.dependencies.test_windows import asked

EVERY_6_HOURS = Schedule.from_json({"hour": {"at": [0, 6, 12, 18]}, "timezone": "UTC", "start_late": 0})
DAY = "2026-11-20T"


def run(text: str, *, manual: bool = False, part: bool = False) -> NotedRun:
    return NotedRun(f"{DAY}{text}:00+00:00", manual, part, 0)


def verdict(
    states: dict[str, Any],
    runs: dict[str, NotedRun] | None = None,
    *,
    schedule: Schedule | None = EVERY_6_HOURS,
    first: str | None = f"{DAY}00:00:00+00:00",
    **more: Any,
) -> Verdict:
    """Judge runs whose ids are the times of day they are about, unless ``runs`` says otherwise."""
    more = {"timezone": "UTC", "business_time": f"{DAY}13:00:00", **more}
    noted = NotedRuns(
        timezone="UTC",
        schedule=schedule,
        runs=runs or {time: run(time) for time in states},
        first_regular=first,
    )
    dependency = asked(**more)
    never_ran = not noted.ran_by(
        dependency.span.last, "UTC", manual=dependency.is_manual or schedule is None, but=dependency.own_run
    )
    times = looked_for(dependency, noted)
    return judge(dependency, times, states, is_scheduled=noted.is_scheduled, never_ran=never_ran)


DONE = dict.fromkeys(("00:00", "06:00", "12:00", "18:00"), "done")


@pytest.mark.parametrize(
    ("need", "states", "is_met"),
    [
        ("all", DONE, True),
        ("all", {**DONE, "06:00": "running"}, False),
        ("all", {**DONE, "06:00": "failed"}, False),
        ("all", {time: DONE[time] for time in ("00:00", "12:00", "18:00")}, False),
        ("latest", DONE, True),
        ("latest", {"18:00": "done"}, True),
        ("latest", {"18:00": "running", "12:00": "done"}, False),
        ("latest", {"00:00": "done", "06:00": "done", "12:00": "done"}, False),
        ("any", {"06:00": "done"}, True),
        ("any", {"06:00": "running", "12:00": "failed"}, False),
        ("any", {}, False),
    ],
)
def test_needs(need: str, states: dict[str, Any], is_met: bool) -> None:
    found = verdict(states, need=need)
    assert (found.is_met, found.problem) == (is_met, None)
    assert bool(found.missing) is not is_met


def test_what_was_found_is_told() -> None:
    found = verdict({"00:00": "done", "06:00": "failed", "12:00": "running"}, need="all")
    assert found.found == (
        "2026-11-20 00:00:00 done (00:00)",
        "2026-11-20 06:00:00 failed (06:00)",
        "2026-11-20 12:00:00 running (12:00)",
        "2026-11-20 18:00:00 absent",
    )
    assert found.missing == "; ".join(found.found[1:])


@pytest.mark.parametrize(
    ("need", "states", "fails"),
    [
        ("latest", {"18:00": "failed"}, True),
        ("latest", {"18:00": "not run"}, True),
        ("latest", {"12:00": "failed"}, False),
        ("all", {"06:00": "failed"}, True),
        ("all", {"06:00": "running"}, False),
        ("any", {"06:00": "failed"}, False),
        ("any", dict.fromkeys(DONE, "failed"), True),
        ("any", {**dict.fromkeys(DONE, "failed"), "18:00": "running"}, False),
        ("any", {**dict.fromkeys(DONE, "failed"), "18:00": "done"}, False),
    ],
)
def test_a_failed_run_may_fail_the_node(need: str, states: dict[str, Any], fails: bool) -> None:
    assert verdict(states, need=need).problem is None
    problem = verdict(states, need=need, on_failed="fail").problem
    assert (problem is not None) is fails
    if problem is not None:
        assert problem.startswith("on_failed is fail: 2026-11-20 ")


def test_several_runs_about_one_time() -> None:
    runs = {"a": run("18:00"), "b": run("18:00")}
    for states, word in (
        ({"a": "failed", "b": "done"}, "done (b)"),
        ({"a": "failed", "b": "running"}, "running (b)"),
        ({"a": "failed", "b": "failed"}, "failed (a, b)"),
        ({"a": "failed"}, "failed (a)"),
        ({}, "absent (a, b: deleted)"),
    ):
        assert verdict(states, runs, need="latest").found == (f"2026-11-20 18:00:00 {word}",)


def test_runs_between_slots_help_and_do_not_harm() -> None:
    runs = {"slot": run("18:00"), "dry": run("19:30"), "early": run("17:00")}
    assert verdict({"dry": "done"}, runs, need="latest").is_met
    assert verdict({"slot": "done", "dry": "failed"}, runs, need="latest").is_met
    assert not verdict({"early": "done"}, runs, need="latest").is_met
    assert not verdict({"slot": "failed", "dry": "running"}, runs, need="latest", on_failed="fail").problem
    assert verdict({"early": "done"}, runs, need="any").is_met
    assert not verdict({"slot": "done", "dry": "done", "early": "done"}, runs, need="all").is_met


def test_kinds_of_run() -> None:
    by_hand = {"slot": run("18:00", manual=True)}
    found = verdict({"slot": "done"}, by_hand, need="latest")
    assert not found.is_met
    assert found.missing.endswith("absent (slot: started by hand, so of no account to a scheduled run)")
    assert verdict({"slot": "done"}, by_hand, need="latest", is_manual=True).is_met
    assert verdict({"slot": "done"}, by_hand, need="latest", schedule=None).is_met
    part = {"slot": run("18:00", part=True)}
    assert not verdict({"slot": "done"}, part, need="latest").is_met
    assert verdict({"slot": "done"}, part, need="latest", node="load").is_met


def test_a_flow_without_a_schedule_answers_with_the_runs_it_has() -> None:
    some: dict[str, Any] = {"schedule": None, "runs": {"a": run("09:10"), "b": run("09:20")}}
    assert verdict({"a": "done", "b": "done"}, need="all", **some).is_met
    assert not verdict({"a": "done", "b": "failed"}, need="all", **some).is_met
    assert not verdict({"a": "done", "b": "failed"}, need="latest", **some).is_met
    assert verdict({"a": "done", "b": "failed"}, need="any", **some).is_met
    nothing = verdict({}, need="all", schedule=None)
    assert not nothing.is_met
    assert nothing.missing == "other has no schedule, and no run in the window"
    switched_off = replace(EVERY_6_HOURS, enabled=False)
    assert verdict({"a": "done"}, {"a": run("09:10")}, need="all", schedule=switched_off).is_met


def test_a_schedule_without_a_time_in_the_window() -> None:
    monthly = Schedule.from_json({"month": {"days": [1], "at": "00:00"}, "timezone": "UTC", "start_late": 0})
    assert verdict({}, need="all", schedule=monthly).is_met
    for need in ("latest", "any"):
        found = verdict({}, need=need, schedule=monthly)
        assert not found.is_met
        assert found.missing == "the schedule of other has no time in the window, so none is asked for"
    assert not verdict({}, need="all", window="same_time", schedule=monthly).is_met


def test_first_runs() -> None:
    assert not verdict({}, need="all", first=None).is_met
    assert verdict({}, need="all", first=None, first_run="pass").is_met
    assert not verdict({}, need="all", first_run="pass").is_met
    assert verdict({}, need="all", first="2026-11-21T00:00:00+00:00", first_run="pass").is_met
    own: dict[str, Any] = {"window": "previous_cycle", "first_run": "pass", "own_run": "now", "first": None}
    own |= {"business_time": f"{DAY}12:00:00"}
    assert verdict({"now": "running"}, {"now": run("12:00")}, **own).is_met
    before = {"now": run("12:00"), "before": run("06:00")}
    assert not verdict({"now": "running", "before": "failed"}, before, **own).is_met
    assert verdict({"now": "running", "before": "done"}, before, **own).is_met
    by_hand = {"now": run("12:00"), "before": run("05:00", manual=True)}
    assert verdict({"now": "running", "before": "failed"}, by_hand, **own).is_met
    assert not verdict({"now": "running", "before": "failed"}, by_hand, **own, is_manual=True).is_met


def test_a_chain_begins_with_a_dry_run() -> None:
    own: dict[str, Any] = {"window": "previous_cycle", "own_run": "now", "business_time": f"{DAY}12:00:00"}
    dry = {"now": run("12:00"), "dry": run("09:41")}
    assert verdict({"now": "running", "dry": "done"}, dry, **own).is_met
    assert not verdict({"now": "done"}, dry, **own).is_met


def test_notes_come_back() -> None:
    noted = NotedRuns(
        timezone="Asia/Shanghai",
        schedule=EVERY_6_HOURS,
        runs={"run": NotedRun("2026-11-20T02:00:00+08:00", True, False, 17)},
        first="2026-01-01T00:00:00+08:00",
        keep=5,
        version="abc",
    )
    assert NotedRuns.from_text(noted.to_text()) == noted
    assert noted.without_old(22) == noted
    assert noted.without_old(23).runs == {}
    text = noted.to_text()
    no_time = text.replace("2026-11-20T02", "2026-11-20X02")
    no_zone = text.replace("Asia/Shanghai", "Asia/Nowhere")
    for wrong in ("", "null", "[]", "{}", '{"format": 2}', no_time, no_zone):
        with pytest.raises(ValueError, match=r"Error: "):
            NotedRuns.from_text(wrong)
    assert len(variable_key("f" * 250)) <= 250
    assert variable_key("f") == "dms__runs__f"
