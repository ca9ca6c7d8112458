"""Which run another one waits for, or makes way for. Pure: the scheduler asks, under a lock.

Source: DMS reference, section 4.2; flow-spec, *concurrency*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Literal

from dms_provider.policies.rules import Concurrency

Waits = Literal["same_node", "same_node_and_downstream", "whole_run"]


@dataclass(frozen=True, slots=True)
class OtherRun:
    """A run of the same flow that has started and not ended, or waits in its backfill.

    :param run_id: Airflow's
    :param started: when it was last started; ``None`` for one of the same backfill that has not been
    :param run_after: its slot, or when it was triggered
    :param run_type: Airflow's: ``scheduled``, ``manual``, ``backfill`` ...
    :param backfill: Airflow's id of the backfill that it belongs to
    :param place: in the row of that backfill
    :param earlier_run: id of the run that it waits for
    :param has_begun: one of its nodes has begun to work; asked only where it matters
    """

    run_id: str
    started: datetime | None
    run_after: datetime
    run_type: str
    backfill: int | None = None
    place: int = 0
    earlier_run: str | None = None
    has_begun: bool = False


@dataclass(frozen=True, slots=True)
class StartingRun:
    """The run that is about to start.

    :param run_id: Airflow's
    :param run_type: Airflow's
    :param backfill: Airflow's id of the backfill that it belongs to
    :param place: in the row of that backfill
    :param has_run_before: it is restored or rerun
    :param earlier_run: id of the run that it was coupled to when it ran before
    """

    run_id: str
    run_type: str
    backfill: int | None = None
    place: int = 0
    has_run_before: bool = False
    earlier_run: str | None = None


@dataclass(frozen=True, slots=True)
class Coupling:
    """What was decided about a run.

    :param skipped_for: id of the run that is in its way
    :param earlier_run: id of the run that it waits for
    :param waits: for what of that run
    :param let_go: ids of the runs that must wait for it no longer
    """

    skipped_for: str | None = None
    earlier_run: str | None = None
    waits: Waits | None = None
    let_go: tuple[str, ...] = ()


UNCOUPLED = Coupling()


def couple(concurrency: Concurrency, run: StartingRun, others: Sequence[OtherRun]) -> Coupling:
    """Decide how a run starts beside others.

    :param concurrency: policy of the flow
    :param run: the one that starts
    :param others: each that is going, but no dry run and none that can start no node; and those of the same
        backfill that have not started
    """
    if concurrency == "ignore":
        return UNCOUPLED
    others = _with_dates_in_a_row(run, others)
    if concurrency == "skip":
        return _skip(run, others)
    waits: Waits = "same_node" if concurrency == "parallel_mode_1" else "same_node_and_downstream"
    free = _not_waiting_for(run.run_id, others)
    newest = _newest(free)
    if (before := _date_before(run, free)) is not None:
        last = _after_the_date_before(before, newest, free)
        return Coupling(earlier_run=last.run_id, waits=waits) if last else UNCOUPLED
    waiting = {other.run_id for other in others} - {other.run_id for other in free} | {run.run_id}
    if run.earlier_run is not None and run.earlier_run not in waiting:
        return Coupling(earlier_run=run.earlier_run, waits=waits)
    return Coupling(earlier_run=newest.run_id, waits=waits) if newest else UNCOUPLED


def _skip(run: StartingRun, others: Sequence[OtherRun]) -> Coupling:
    let_go: tuple[str, ...] = ()
    if run.has_run_before:
        # those that have waited for its end, and have begun since, are the ones that are going now
        let_go = tuple(
            other.run_id for other in others if other.earlier_run == run.run_id and other.has_begun
        )
        others = [replace(other, earlier_run=None) if other.run_id in let_go else other for other in others]
    free = _not_waiting_for(run.run_id, others)
    before = _date_before(run, free)
    newest = _newest(free)
    if newest is not None and not _goes_after(run, others):
        return Coupling(skipped_for=newest.run_id)
    last = _after_the_date_before(before, newest, free)
    return Coupling(earlier_run=last.run_id, waits="whole_run", let_go=let_go) if last else UNCOUPLED


def _goes_after(run: StartingRun, others: Sequence[OtherRun]) -> bool:
    """Return whether a run of a flow that skips goes after the ones that are going, instead."""
    backfills = {other.backfill for other in others if other.started is not None} - {None}
    return run.has_run_before or run.backfill in backfills or bool(run.run_type == "scheduled" and backfills)


def _not_waiting_for(run_id: str, others: Sequence[OtherRun]) -> list[OtherRun]:
    """Return the runs that do not wait for this one, nor for one that does."""
    waiting_for: dict[str, list[str]] = {}
    for other in others:
        if other.earlier_run is not None:
            waiting_for.setdefault(other.earlier_run, []).append(other.run_id)
    waiting = {run_id}
    ahead = [run_id]
    while ahead:
        more = [found for found in waiting_for.get(ahead.pop(), ()) if found not in waiting]
        waiting.update(more)
        ahead.extend(more)
    return [other for other in others if other.run_id not in waiting]


def _after_the_date_before(
    before: OtherRun | None, newest: OtherRun | None, others: Sequence[OtherRun]
) -> OtherRun | None:
    """Return the run to wait for: the date before, or one that came in between and waits for it itself."""
    if before is None or (newest is not None and newest not in _not_waiting_for(before.run_id, others)):
        return newest
    return before


def _newest(others: Sequence[OtherRun]) -> OtherRun | None:
    """Return the run that started last; of several that wait for each other, the last in the row."""
    going = [(other.started, other.run_after, other.run_id, other) for other in others if other.started]
    waited_for = {other.earlier_run for *_, other in going}
    last = [found for found in going if found[-1].run_id not in waited_for] or going
    return max(last, key=lambda found: found[:3])[-1] if last else None


def _with_dates_in_a_row(run: StartingRun, others: Sequence[OtherRun]) -> Sequence[OtherRun]:
    """Return the runs with those that have not started coupled to the date before, as they will be."""
    row = sorted(
        [(run.place, run.run_id)]
        + [(other.place, other.run_id) for other in others if other.backfill == run.backfill]
    )
    if run.backfill is None or len(row) == 1:
        return others
    before = {later: earlier for (_, earlier), (_, later) in pairwise(row)}
    return [
        replace(other, earlier_run=before[other.run_id])
        if other.started is None and other.run_id in before
        else other
        for other in others
    ]


def _date_before(run: StartingRun, others: Sequence[OtherRun]) -> OtherRun | None:
    """Return the unfinished run of the same backfill that comes before this one in its row."""
    before = [
        other
        for other in others
        if run.backfill is not None and other.backfill == run.backfill and other.place < run.place
    ]
    return max(before, key=lambda other: other.place, default=None)
