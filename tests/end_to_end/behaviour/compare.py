"""What was seen of a scenario beside what was expected."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from tests.end_to_end.behaviour.scenario import Moment, NodeSeen, Order, RunExpected, RunSeen, Seen
from tests.end_to_end.behaviour.stage import expected_callbacks

_DEADLOCK_SECONDS = 20.0
"""Between the end of a run and a deadlock that is to blame: the server tells of it a little later."""


def differences(seen: Seen) -> list[str]:
    """Return what differs from the scenario's expectations, for people.

    A run of which nothing is expected is one that must not be there.
    """
    found = [] if seen.problem is None else [seen.problem]
    scenario = seen.scenario
    for name, expected in scenario.runs.items():
        if name not in seen.runs:
            found.append(f"{name}: there is no such run")
            continue
        found += [f"{name}: {text}" for text in _of_run(seen, name, seen.runs[name], expected)]
    if scenario.runs:
        found += [f"{name}: nobody expected this run" for name in seen.runs.keys() - scenario.runs.keys()]
    found += [text for order in scenario.orders if (text := _of_order(seen, order)) is not None]
    return found


def describe(seen: Seen) -> str:
    """Return what was seen, in a few lines."""
    lines = []
    for name, run in seen.runs.items():
        nodes = ", ".join(
            f"{node_id} {node.outcome}" + (f" ({len(node.began)} tries)" if len(node.began) > 1 else "")
            for node_id, node in sorted((run.nodes | run.helpers).items())
        )
        callbacks = ", ".join(f"{number} {kind}" for kind, number in run.callbacks.items())
        lines.append(f"{name} {run.state}; callbacks: {callbacks}; {nodes}; dms: {dict(run.dms)}")
        if run.note:
            lines.append(f"  note: {run.note}")
    return "\n".join(lines)


def _of_run(seen: Seen, name: str, run: RunSeen, expected: RunExpected) -> Iterator[str]:
    if expected.state is not None and run.state != expected.state:
        yield f"is {run.state}, expected {expected.state}"
    for node_id, outcome in expected.nodes.items():
        node = run.nodes.get(node_id) or run.helpers.get(node_id) or NodeSeen()
        if outcome == "stopped" and node.stopped:
            continue
        if outcome not in (node.outcome, node.state):
            yield f"{node_id} is {node.outcome} ({node.state}), expected {outcome}"
        if outcome == "not_run" and node.began:
            yield f"{node_id} began to work, expected not_run"
    for node_id, tries in expected.tries.items():
        began = len(run.nodes.get(node_id, NodeSeen()).began)
        if began != tries:
            yield f"{node_id} began {began} times, expected {tries}"
    for node_id, times in expected.finished.items():
        finished = len(run.nodes.get(node_id, NodeSeen()).finished)
        if finished != times:
            yield f"{node_id} finished its work {finished} times, expected {times}"
    for node_id, text in expected.wrote.items():
        wrote = run.nodes.get(node_id, NodeSeen()).wrote
        if wrote != text:
            yield f"{node_id} wrote {wrote!r}, expected {text!r}"
    for key, value in expected.conf.items():
        of_run = seen.runs[value].run_id if isinstance(value, str) and value in seen.runs else value
        if not _agrees(run, run.dms.get(key), of_run):
            yield f"conf dms.{key} is {run.dms.get(key)!r}, expected {value!r}"
    for kind, number in expected_callbacks(seen.scenario, name, run).items():
        if run.callbacks[kind] > number and _ended_in_a_deadlock(seen, run):
            continue
        if run.state != "deleted" and run.callbacks[kind] != number:
            yield f"{run.callbacks[kind]} calls of the {kind} callback, expected {number}"
    for node_id, text in expected.logs.items():
        logged = seen.log_texts.get((name, node_id), "")
        if text not in logged:
            yield f"the log of {node_id} does not say {text!r}; its end: {logged[-1500:]}"
    for node_id, node in run.nodes.items():
        if run.state in ("success", "failed") and node.on_server:
            yield f"{node_id} is still at work on the database server"
        if run.state in ("success", "failed") and node.trigger:
            yield f"{node_id} is still in the triggerer"


def _ended_in_a_deadlock(seen: Seen, run: RunSeen) -> bool:
    """Return whether Airflow may have called a callback of the run's end too often.

    A scheduler that has given way goes on with the runs that it has read before. Another one, or somebody,
    may have ended them since.
    """
    return any(abs(at - run.history[-1][0]) < _DEADLOCK_SECONDS for at in seen.deadlocks if run.history)


def _agrees(run: RunSeen, value: Any, expected: Any) -> bool:
    if isinstance(expected, str) and run.history:
        day_before = datetime.fromtimestamp(run.history[0][0], timezone.utc) - timedelta(days=1)
        expected = expected.replace("{day_before}", day_before.date().isoformat())
    if isinstance(expected, str) and expected.endswith("…"):
        return isinstance(value, str) and value.startswith(expected[:-1])
    return bool(value == expected)


def _of_order(seen: Seen, order: Order) -> str | None:
    if order.apart:
        one, other = order.later, order.earlier
        both_ways = (
            Order(one, other),
            Order(Moment(other.run, other.node, "begins"), Moment(one.run, one.node, "ends")),
        )
        texts = [_of_order(seen, way) for way in both_ways]
        return None if None in texts else f"expected: {order}; {'; '.join(map(str, texts))}"
    later, earlier = _time_of(seen, order.later), _time_of(seen, order.earlier)
    for moment, at in ((order.later, later), (order.earlier, earlier)):
        if at is None:
            return f"expected: {order}; but {moment} never came"
    assert later is not None
    assert earlier is not None
    took = later - earlier
    # what has left the server was last seen there before it left
    too_early = took < 0 and order.later.what != "gone"
    if too_early or (order.within is not None and took > order.within):
        return f"expected: {order}; but it was {took:.1f} s after it"
    return None


def _time_of(seen: Seen, moment: Moment) -> float | None:
    run = seen.runs.get(moment.run)
    if run is None:
        return None
    if moment.node is None:
        if moment.what == "there":
            return run.history[0][0] if run.history else None
        states = {"success", "failed", "deleted"} if moment.what == "ends" else {moment.what}
        times = [at for at, state in run.history if state in states]
        return (times[-1] if moment.what == "ends" else times[0]) if times else None
    node = run.nodes.get(moment.node) or run.helpers.get(moment.node)
    if node is None:
        return None
    if moment.what == "begins":
        return node.began[0] if node.began else None
    if moment.what == "begins again":
        return node.began[-1] if len(node.began) > 1 else None
    if moment.what == "ends":
        return node.ended
    if moment.what == "gone":
        # a statement that was over between two looks was not seen, and its node has ended since
        return node.gone if node.gone is not None or not node.began else node.ended
    return next((at for at, state in node.history if state == moment.what), None)
