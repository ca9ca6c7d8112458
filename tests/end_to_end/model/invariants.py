"""What must be true of every trace, whatever the order of events was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.end_to_end.model.cases import Case
from tests.end_to_end.model.trace import NodeTrace, RunTrace


def broken(case: Case, runs: Sequence[RunTrace]) -> list[str]:
    """Return what is wrong with the runs of a case that have all ended, one line each.

    :param runs: in the order in which they were started
    """
    found: list[str] = []
    for number, run in enumerate(runs):
        found += [f"run {number}: {text}" for text in _of_run(case, run)]
    found += _of_neighbours(case, runs)
    return found


def _of_run(case: Case, run: RunTrace) -> Iterator[str]:
    yield from _of_outcome(run)
    for node, trace in run.nodes.items():
        yield from _of_tries(case, node, trace)
        if not trace.began:
            continue
        for parent in case.nodes[node].after:
            above = run.nodes[parent]
            if above.state != "success" or not above.ended or above.ended > trace.began[0]:
                yield f"{node} began although {parent} had not succeeded"
        if (failed := _held_by(case, run, node)) is not None:
            late = [begin for begin in trace.began if begin > failed]
            if late:
                yield f"{node} began {late[0] - failed:.1f} s after a failure was recorded"
        if run.ended is not None and trace.began[-1] > run.ended:
            yield f"{node} began when the run had ended"


def _of_outcome(run: RunTrace) -> Iterator[str]:
    failed = sorted(node for node, trace in run.nodes.items() if trace.state == "failed")
    open_nodes = sorted(node for node, trace in run.nodes.items() if not trace.is_over)
    if open_nodes:
        yield f"it has ended, and {', '.join(open_nodes)} not"
    expected = "failed" if failed else "success"
    if run.state != expected:
        yield f"it is {run.state}; failed nodes: {', '.join(failed) or 'none'}"
    skipped = run.decided("skipped_for") is not None
    calls = {} if skipped else {"failure" if failed else "success": 1}
    if {kind: count for kind, count in run.callbacks.items() if count} != calls:
        yield f"callbacks were called {run.callbacks}, not {calls}"
    if skipped and any(trace.state != "skipped" or trace.tries for trace in run.nodes.values()):
        yield "it is skipped, and a node of it was started"


def _of_tries(case: Case, node: str, trace: NodeTrace) -> Iterator[str]:
    what = case.nodes[node]
    if len(trace.began) > what.retries + 1:
        yield f"{node} was tried {len(trace.began)} times, with {what.retries} retries"
    if what.condition:
        return
    if trace.state == "success" and (len(trace.finished) != 1 or trace.finished[0] < trace.began[-1]):
        yield f"{node} is success, and its work was not done once"
    if trace.state in ("failed", "upstream_failed") and trace.finished:
        yield f"{node} is {trace.state}, and its work was done"
    if trace.state == "upstream_failed" and trace.began:
        yield f"{node} is upstream_failed, and had begun"
    if trace.state == "skipped" and trace.began and len(trace.began) > what.retries:
        yield f"{node} is skipped after all its tries"


def _held_by(case: Case, run: RunTrace, node: str) -> float | None:
    """Return from when on a node may not begin: a failure had been recorded then, for all to see."""
    if case.error_handling == "complete_unrelated_tasks":
        return None
    if case.error_handling == "complete_running_tasks" and node in case.answers():
        return None
    failures = [
        trace.seen_ended
        for other, trace in run.nodes.items()
        if trace.state == "failed" and trace.seen_ended is not None and other != node
    ]
    return min(failures, default=None)


def _of_neighbours(case: Case, runs: Sequence[RunTrace]) -> Iterator[str]:
    by_id = {run.run_id: number for number, run in enumerate(runs)}
    for number, run in enumerate(runs):
        for key in ("earlier_run", "skipped_for"):
            other = run.decided(key)
            if other is not None and by_id.get(other, number) >= number:
                yield f"run {number}: {key} names {other}, which is no run before it"
        if case.concurrency == "skip":
            yield from _overlaps(runs, number)
        if (waits_for := by_id.get(run.decided("earlier_run"))) is not None and waits_for < number:
            yield from _overtaken(case, runs[waits_for], run, number)


def _overlaps(runs: Sequence[RunTrace], number: int) -> Iterator[str]:
    for before in range(number):
        ended = runs[before].ended
        if any(
            ended is not None and begin < ended
            for trace in runs[number].nodes.values()
            for begin in trace.began
        ):
            yield f"run {number} worked while run {before} was going"


def _overtaken(case: Case, earlier: RunTrace, run: RunTrace, number: int) -> Iterator[str]:
    for node, trace in run.nodes.items():
        first = trace.began[0] if trace.began else None
        if first is None and case.nodes[node].condition and trace.state == "success":
            first = trace.ended
        if first is None:
            continue
        others = {node}
        if case.concurrency == "parallel_mode_2":
            direct = case.mode_2_scope == "direct"
            others |= case.children(node) if direct else case.downstream(node)
        for other in sorted(others):
            ended = earlier.nodes[other].ended
            if not earlier.nodes[other].is_over or (ended is not None and ended > first):
                yield f"run {number}: {node} began before {other} of the earlier run had ended"
