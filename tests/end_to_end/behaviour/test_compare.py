"""Whatever differs from a scenario is told: each expectation is broken once by what was seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.behaviour.compare import differences
from tests.end_to_end.behaviour.load import load_scenarios
from tests.end_to_end.behaviour.scenario import NodeSeen, RunSeen, Seen

SCENARIO = """\
example:
  nodes: {a: {fails: always}, b: {after: a}, r: {takes: 4}, x: {hangs: true}}
  expect:
    run1:
      state: failed
      nodes: {a: failed, b: not_run, r: success, x: stopped}
      tries: {a: 1}
      finished: {r: 1}
      wrote: {r: end 5}
      conf: {kind: try, earlier_run: null}
      logs: {x: "stopped: a"}
  orders:
    - run1.r ends within 20 s after run1.a is failed
    - run1.a apart from run1.r
"""


def _as_expected(folder: Path) -> Seen:
    (folder / "example.yaml").write_text(SCENARIO, encoding="utf-8")
    (scenario,) = load_scenarios(folder)
    nodes = {
        "a": NodeSeen("failed", [(101.0, "running"), (104.0, "failed")], began=[102.0], ended=104.0),
        "b": NodeSeen("upstream_failed"),
        "r": NodeSeen("success", began=[105.0], finished=[109.0], wrote="end 5", ended=110.0),
        "x": NodeSeen("failed", began=[102.0], ended=108.0),
    }
    run = RunSeen("run1", state="failed", history=[(100.0, "running"), (111.0, "failed")], nodes=nodes)
    run.conf = {"dms": {"kind": "try"}}
    run.callbacks = {"success": 0, "failure": 1}
    seen = Seen(scenario, {"run1": run})
    seen.log_texts["run1", "x"] = "error stopped: a failed"
    return seen


def test_nothing_differs(tmp_path: Path) -> None:
    assert differences(_as_expected(tmp_path)) == []


def _began(seen: Seen, node: str, *times: float) -> None:
    seen.runs["run1"].nodes[node].began = list(times)


BREAKS: dict[str, tuple[Callable[[Seen], object], str]] = {
    "state of the run": (lambda seen: setattr(seen.runs["run1"], "state", "success"), "is success"),
    "state of a node": (lambda seen: setattr(seen.runs["run1"].nodes["r"], "state", "failed"), "r is failed"),
    "a try of what is not run": (lambda seen: _began(seen, "b", 105.0), "b began to work"),
    "more tries": (lambda seen: _began(seen, "a", 101.0, 102.0), "a began 2 times"),
    "finished in spite of a stop": (
        lambda seen: setattr(seen.runs["run1"].nodes["x"], "finished", [107.0]),
        "x is failed",
    ),
    "work done twice": (
        lambda seen: setattr(seen.runs["run1"].nodes["r"], "finished", [107.0, 109.0]),
        "r finished its work 2 times",
    ),
    "another output": (lambda seen: setattr(seen.runs["run1"].nodes["r"], "wrote", "end 6"), "'end 6'"),
    "conf": (lambda seen: setattr(seen.runs["run1"], "conf", {"dms": {"kind": "dry_run"}}), "dms.kind"),
    "a coupling": (
        lambda seen: setattr(seen.runs["run1"], "conf", {"dms": {"kind": "try", "earlier_run": "run0"}}),
        "dms.earlier_run",
    ),
    "two notices": (
        lambda seen: setattr(seen.runs["run1"], "callbacks", {"success": 0, "failure": 2}),
        "2 calls of the failure callback",
    ),
    "the other notice": (
        lambda seen: setattr(seen.runs["run1"], "callbacks", {"success": 1, "failure": 1}),
        "1 calls of the success callback",
    ),
    "log": (lambda seen: seen.log_texts.clear(), "does not say"),
    "too late": (lambda seen: setattr(seen.runs["run1"].nodes["r"], "ended", 125.0), "21.0 s after"),
    "too early": (lambda seen: setattr(seen.runs["run1"].nodes["r"], "ended", 103.0), "-1.0 s after"),
    "never": (lambda seen: setattr(seen.runs["run1"].nodes["a"], "history", []), "never came"),
    "overlap": (lambda seen: _began(seen, "r", 103.0), "apart from"),
    "left on the server": (
        lambda seen: setattr(seen.runs["run1"].nodes["x"], "on_server", True),
        "still at work",
    ),
    "left in the triggerer": (
        lambda seen: setattr(seen.runs["run1"].nodes["x"], "trigger", True),
        "still in the triggerer",
    ),
    "another run": (lambda seen: seen.runs.setdefault("run2", RunSeen("run2")), "nobody expected"),
    "no run": (lambda seen: seen.runs.clear(), "no such run"),
    "not over": (lambda seen: setattr(seen, "problem", "not over after 240 s"), "not over"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_difference_is_told(tmp_path: Path, what: str) -> None:
    seen = _as_expected(tmp_path)
    spoil, told = BREAKS[what]
    spoil(seen)
    assert told in "\n".join(differences(seen))


@pytest.mark.parametrize(
    ("success", "failure", "deadlock", "differs"),
    [(0, 2, 112.0, False), (1, 1, 112.0, False), (0, 0, 112.0, True), (0, 2, 150.0, True)],
)
def test_a_deadlock_excuses_further_notices_of_a_run_that_ended_then(
    tmp_path: Path, success: int, failure: int, deadlock: float, differs: bool
) -> None:
    seen = _as_expected(tmp_path)
    seen.runs["run1"].callbacks = {"success": success, "failure": failure}
    seen.deadlocks = [deadlock]
    assert bool(differences(seen)) is differs
