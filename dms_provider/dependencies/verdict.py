"""What holds, given the runs of the other flow and how they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dms_provider.dependencies.dependency import Dependency
from dms_provider.dependencies.times import LookedFor

Found = Literal["done", "running", "failed", "not run", "absent"]
_BEST_FIRST: tuple[Found, ...] = ("done", "running", "failed", "not run")
_LOST = frozenset({"failed", "not run"})
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What holds at one moment.

    :param is_met: the wait is over
    :param problem: why the node fails now
    :param found: what was found for each business time, one line each
    :param missing: what is not there, in one line
    """

    is_met: bool
    problem: str | None
    found: tuple[str, ...]
    missing: str


def judge(
    dependency: Dependency,
    times: Sequence[LookedFor],
    states: Mapping[str, Found],
    *,
    is_scheduled: bool,
    never_ran: bool,
) -> Verdict:
    """Return what holds.

    :param times: that decide, in order
    :param states: run id -> what has become of it, or of the node that is waited for; none if it is gone
    :param is_scheduled: the other flow has a schedule, so ``all`` asks for its slots
    :param never_ran: there never was a run up to the end of the window
    """
    words = [_found(time, states) for time in times]
    found = tuple(_line(time, word, states, dependency.node) for time, word in zip(times, words, strict=True))
    if never_ran and dependency.first_run == "pass":
        return Verdict(True, None, (*found, f"{dependency.flow} never ran before: first_run is pass"), "")
    if dependency.need == "all" and not dependency.is_of_one_time:
        is_met = all(word == "done" for word in words) and bool(words or is_scheduled)
        is_lost = any(word in _LOST for word in words)
    else:
        is_met = "done" in words
        is_lost = bool(words) and all(word in _LOST for word in words)
    if not words:
        found = (_why_nothing(dependency, is_scheduled=is_scheduled),)
    missing = [line for line, word in zip(found, words, strict=False) if word != "done"] or list(found)
    problem = None
    if is_lost and not is_met and dependency.on_failed == "fail":
        lost = [line for line, word in zip(found, words, strict=True) if word in _LOST]
        problem = f"on_failed is fail: {_in_one_line(lost)}"
    return Verdict(is_met, problem, found, "" if is_met else _in_one_line(missing))


def _in_one_line(lines: Sequence[str]) -> str:
    text = "; ".join(lines[:_SHOWN])
    return text if len(lines) <= _SHOWN else f"{text}; and {len(lines) - _SHOWN} more"


def _found(time: LookedFor, states: Mapping[str, Found]) -> Found:
    words = {states[run] for run in time.runs if run in states}
    return next((word for word in _BEST_FIRST if word in words), "absent")


def _line(time: LookedFor, word: Found, states: Mapping[str, Found], node: str | None) -> str:
    runs = ", ".join(run for run in time.runs if states.get(run) == word)
    if word == "absent" and time.runs:
        gone = "deleted" if node is None else f"deleted, or without a node {node}"
        runs = f"{', '.join(time.runs)}: {gone}"
    elif word == "absent" and time.by_hand:
        runs = f"{', '.join(time.by_hand)}: started by hand, so of no account to a scheduled run"
    return f"{time.shown:%Y-%m-%d %H:%M:%S} {word}" + (f" ({runs})" if runs else "")


def _why_nothing(dependency: Dependency, *, is_scheduled: bool) -> str:
    if is_scheduled:
        return f"the schedule of {dependency.flow} has no time in the window, so none is asked for"
    return f"{dependency.flow} has no schedule, and no run in the window"
