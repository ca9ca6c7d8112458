"""The checks of traces, on timelines made by hand: a good one, and one with each thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.end_to_end.model.cases import Case, Node, Term
from tests.end_to_end.model.invariants import broken
from tests.end_to_end.model.rules import State
from tests.end_to_end.model.trace import NodeTrace, RunTrace

NODES = {"a": Node(retries=1), "b": Node(("a",)), "c": Node(("a",), condition=(Term("true"),))}


def node(state: str, begin: float | None = None, end: float | None = None, tries: int = 1) -> NodeTrace:
    """Return a node that has begun and ended at these seconds, and was seen to have ended one later."""
    done = [end] if end is not None and state == "success" and begin is not None else []
    at = None if end is None else end + 0.5
    began = [] if begin is None else [begin]
    return NodeTrace(state, tries if began else 0, began, done, at, at and at + 0.5)


def good_runs() -> list[RunTrace]:
    first = RunTrace("one", "success", {"dms": {"kind": "try"}}, ended=20)
    first.nodes = {"a": node("success", 1, 3), "b": node("success", 5, 18), "c": node("success", None, 6)}
    first.callbacks = {"success": 1, "failure": 0}
    second = RunTrace("two", "failed", {"dms": {"kind": "try", "earlier_run": "one"}}, ended=30)
    second.nodes = {
        "a": node("failed", 21, 25),
        "b": node("upstream_failed", None, 26),
        "c": node("upstream_failed", None, 26),
    }
    second.callbacks = {"success": 0, "failure": 1}
    return [first, second]


def case(**policies: Any) -> Case:
    return Case("flow", nodes=NODES, **{"concurrency": "parallel_mode_2", **policies})


@pytest.mark.parametrize("policy", ["ignore", "parallel_mode_1", "parallel_mode_2"])
def test_good_runs_are_good(policy: str) -> None:
    assert broken(case(concurrency=policy), good_runs()) == []


Change = Callable[[list[RunTrace]], object]
WRONG: dict[str, tuple[Change, str]] = {
    "success of a failed run": (lambda runs: setattr(runs[1], "state", "success"), "it is success"),
    "failure of a good run": (lambda runs: setattr(runs[0], "state", "failed"), "it is failed"),
    "no failure callback": (lambda runs: runs[1].callbacks.update(failure=0), "callbacks"),
    "two failure callbacks": (lambda runs: runs[1].callbacks.update(failure=2), "callbacks"),
    "both callbacks": (lambda runs: runs[1].callbacks.update(success=1), "callbacks"),
    "an open node": (lambda runs: setattr(runs[1].nodes["c"], "state", None), "it has ended, and c not"),
    "not run, and begun": (lambda runs: runs[1].nodes["b"].began.append(26.5), "had begun"),
    "too many tries": (lambda runs: runs[0].nodes["a"].began.extend([1.1, 1.2]), "was tried 3 times"),
    "success without work": (lambda runs: runs[0].nodes["b"].finished.clear(), "was not done once"),
    "work done twice": (lambda runs: runs[0].nodes["b"].finished.append(19), "was not done once"),
    "failed after its work": (lambda runs: runs[1].nodes["a"].finished.append(24), "its work was done"),
    "begun before its parent": (lambda runs: runs[0].nodes["b"].began.insert(0, 2), "a had not succeeded"),
    "begun after the end": (lambda runs: runs[0].nodes["b"].began.append(22), "when the run had ended"),
    "overtaking": (lambda runs: runs[1].nodes["a"].began.insert(0, 2), "began before a of the earlier run"),
    "overtaking below": (lambda runs: runs[1].nodes["a"].began.insert(0, 17), "before b of the earlier run"),
    "coupled to nobody": (lambda runs: runs[1].conf["dms"].update(earlier_run="x"), "which is no run"),
    "coupled to itself": (lambda runs: runs[0].conf["dms"].update(earlier_run="one"), "which is no run"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_found(wrong: str) -> None:
    change, words = WRONG[wrong]
    runs = deepcopy(good_runs())
    change(runs)
    assert any(words in text for text in broken(case(), runs)), broken(case(), runs)


def test_nothing_begins_after_a_failure_but_the_answer() -> None:
    nodes = {"a": Node(), "b": Node(), "c": Node(("a",), condition=(Term("one_failed"),)), "d": Node(("c",))}
    run = RunTrace("one", "failed", {"dms": {}}, ended=20, callbacks={"failure": 1})
    run.nodes = {
        "a": node("failed", 1, 3),
        "b": node("skipped", None, 4),
        "c": node("success", None, 6),
        "d": node("success", 8, 9),
    }
    held = Case("flow", "complete_running_tasks", nodes=nodes)
    assert broken(held, [run]) == []
    stopped = Case("flow", "immediately_stop_all_tasks", nodes=nodes)
    assert any("d began 4.0 s after a failure" in text for text in broken(stopped, [run]))
    run.nodes["b"] = node("success", 5, 6)
    assert any("b began 1.0 s after a failure" in text for text in broken(held, [run]))
    unrelated = Case("flow", "complete_unrelated_tasks", nodes=nodes)
    assert broken(unrelated, [run]) == []


def test_a_skipped_run_starts_nothing_and_calls_nobody() -> None:
    skipped = RunTrace("two", "success", {"dms": {"skipped_for": "one"}}, ended=6)
    skipped.nodes = {name: node("skipped", None, 6) for name in NODES}
    runs = [good_runs()[0], skipped]
    assert broken(case(concurrency="skip"), runs) == []
    skipped.callbacks = {"success": 1}
    assert any("callbacks" in text for text in broken(case(concurrency="skip"), runs))
    skipped.callbacks = {}
    skipped.nodes["a"] = node("success", 7, 8)
    found = broken(case(concurrency="skip"), runs)
    assert any("a node of it was started" in text for text in found)
    assert any("worked while run 0 was going" in text for text in found)


def test_what_a_node_is_seen_as() -> None:
    seen = {
        State.NOT_BEGUN: NodeTrace("queued"),
        State.WAITING: NodeTrace("deferred", 1),
        State.WORKING: NodeTrace("running", 2, [1, 2]),
        State.BETWEEN_TRIES: NodeTrace("up_for_retry", 1, [1]),
        State.SUCCESS: NodeTrace("success", 1, [1], [2]),
        State.FAILED: NodeTrace("failed", 1, [1]),
        State.NOT_RUN: NodeTrace("upstream_failed"),
    }
    assert {state: trace.seen_as() for state, trace in seen.items()} == {state: state for state in seen}
    # between two of them: started and not at work yet, and done but not recorded
    assert NodeTrace("running", 2, [1]).seen_as() is None
    assert NodeTrace("running", 1, [1], [2]).seen_as() is None
