"""The truth table of policies: its cells, and what scenarios have shown of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tests.end_to_end.behaviour.compare import differences
from tests.end_to_end.behaviour.scenario import NodeSeen, RunSeen, Scenario, Seen

POLICIES = ("complete_running_tasks", "immediately_stop_all_tasks", "complete_unrelated_tasks")
ROWS = ("a", "b", "r", "d", "s, t, w", "the run", "notices")
_WIDTH = 27


def _under_each(*texts: str) -> tuple[str, ...]:
    return tuple(f"{text}: {policy}" for text in texts for policy in POLICIES)


SECTIONS: Mapping[str, Sequence[str]] = {
    "Error handling, always": (
        "until retries are used up: complete_running_tasks",
        "until retries are used up: immediately_stop_all_tasks",
        "complete_running: a node that fails is not retried",
        "complete_running: between retries not run",
        "complete_running: in a queue not run",
        "complete_running: waiting for another run not run",
        *_under_each("worker lost"),
        "worker lost: a retry is used if one is left",
        *_under_each(
            "marked failed by hand",
            "timed out",
            "failed after it was deferred",
            "a failed node makes a failed run, a join hides it",
            "a false condition alone is success",
            "a join below a false condition is not run",
            "a condition that names a state",
            "the flow's time-out",
            "restore",
        ),
        "restore can end as success",
        "restore: business time stays",
        "restore: failing again is a new notice",
        "rerun runs all",
        "marked success by hand: downstream runs",
        "marked success by hand: a missing output fails by name",
    ),
    "Concurrency": (
        "skip: runs no node and says which run was in its way",
        "skip: a third run, later, runs",
        "ignore: runs at once, no coupling",
        "parallel_mode_1: waits for the same node, in whatever state",
        "parallel_mode_2: waits for the node and all downstream of it",
        "parallel_mode_2: by the earlier run's version of the flow",
        "parallel_mode_2: mode_2_scope direct",
        "the earlier run is the newest that is going",
        "a run whose logical date lies ahead is not running",
    ),
    "Concurrency, always": (
        "waiting holds no worker slot",
        "waiting is visible in log and conf",
        "waiting counts to the flow's time-out",
        "waiting does not count to the node's time-out or retries",
        "a node of the earlier run between retries has not finished",
        "a node that the earlier run does not have holds nobody up",
        "an earlier run that ended in any way has finished",
        "an earlier run that was deleted has finished",
        "clearing a node of the earlier run makes later nodes wait again",
        "two runs in the same second are ordered",
        "a restored run keeps its first coupling",
        "a restored run takes no coupling to a run coupled to it",
        "a restored run of a skip flow waits for the run that is going",
        "restore of a skip flow while another run is going: the CLI refuses and names it",
        "runs of a backfill under skip go one after the other",
        "runs of a backfill under the modes are coupled to the date before",
        "while a backfill is running a scheduled run of a skip flow waits",
        "a decision that could not be made fails the nodes with that reason",
        "a skipped run: no success notice, told apart from success",
        "a skipped run: `run --wait` ends with status 1",
        "a skipped run is told apart from success in `list`",
        "a skipped run keeps its business time for a rerun",
        "a dry run is not skipped and not coupled",
        "a dry run is in nobody's way",
    ),
    "Kinds of run": (
        "scheduled: slot - 1 day, everything",
        "try run: trigger time - 1 day, everything",
        "dry run: nothing is executed, conditions count as true, success",
        "at a point in time: T, everything",
        "over a time range: slots of a backfill",
        "over a time range: `dms run`, one at a time, stops at the first failed date",
        "one node: the rest is not run",
        "from a node on: the rest is not run",
        "missing outputs: --set",
        "missing outputs: the newest success with that business time",
        "a conf that cannot be understood is refused",
        "a pool that a spec sizes exists before it is needed",
    ),
}
"""Section -> its cells; those of the error handling table itself are ``POLICY: ROW``."""


def all_cells() -> list[str]:
    """Return every cell that must have a scenario."""
    table = [f"{policy}: {row}" for row in ROWS for policy in POLICIES]
    return table + [cell for cells in SECTIONS.values() for cell in cells]


def without_scenario(scenarios: Iterable[Scenario]) -> list[str]:
    """Return the cells that no scenario stands for."""
    shown = {cell for scenario in scenarios for cell in scenario.shows}
    return [cell for cell in all_cells() if cell not in shown]


def unknown(scenarios: Iterable[Scenario]) -> list[str]:
    """Return what scenarios stand for although the truth table does not have it."""
    known = set(all_cells())
    return sorted({cell for scenario in scenarios for cell in scenario.shows} - known)


def truth_table(all_seen: Sequence[Seen]) -> Iterator[str]:
    """Return lines that show each cell and what was seen in it; ``!`` is where it differs from the table."""
    showing: dict[str, list[Seen]] = {}
    for seen in all_seen:
        for cell in seen.scenario.shows:
            showing.setdefault(cell, []).append(seen)
    yield "Error handling".ljust(12) + "".join(f"  {policy:{_WIDTH}}" for policy in POLICIES)
    for row in ROWS:
        cells = (
            "; ".join(_mark(seen) + _in_table(seen, row) for seen in showing.get(f"{policy}: {row}", ()))
            for policy in POLICIES
        )
        yield f"{row:14}" + "".join(f"  {cell:{_WIDTH}}" for cell in cells)
    for section, names in SECTIONS.items():
        yield ""
        yield section
        for name in names:
            yield f"  {name}"
            for seen in showing.get(name, ()):
                yield f"    {_mark(seen)}{seen.scenario.name}: {_in_words(seen)}"


def _mark(seen: Seen) -> str:
    return "! " if differences(seen) else ""


def _in_table(seen: Seen, row: str) -> str:
    run = seen.runs.get("run1", RunSeen("run1"))
    if row == "the run":
        return run.state
    if row == "notices":
        return ", ".join(f"{run.callbacks[kind]} {kind}" for kind in ("failure", "success"))
    outcomes = [run.nodes.get(node_id, NodeSeen()).outcome for node_id in row.split(", ")]
    return ", ".join(dict.fromkeys(outcomes)).replace("_", " ")


def _in_words(seen: Seen) -> str:
    runs = []
    for name, run in seen.runs.items():
        nodes = ", ".join(f"{node_id} {node.outcome}" for node_id, node in sorted(run.nodes.items()))
        runs.append(f"{name} {run.state} ({nodes})")
    return "; ".join(runs)
