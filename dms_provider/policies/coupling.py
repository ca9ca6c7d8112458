"""Which run another one waits for, or makes way for. Pure: the scheduler asks, under a lock.

Source: DMS reference, section 4.2; flow-spec, *concurrency*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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
    """

    run_id: str
    started: datetime | None
    run_after: datetime
    run_type: str
    backfill: int | None = None
    place: int = 0
    earlier_run: str | None = None


@dataclass(frozen=True, slots=True)
class StartingRun:
    """The run that is about to start.

    :param run_id: Airflow's
    :param run_type: Airflow's
    :param backfill: Airflow's id of the backfill that it belongs to
    :param place: in the row of that backfill
    :param has_run_before: it is restored or rerun
    """

    run_id: str
    run_type: str
    backfill: int | None = None
    place: int = 0
    has_run_before: bool = False


@dataclass(frozen=True, slots=True)
class Coupling:
    """What was decided about a run.

    :param skipped_for: id of the run that is in its way
    :param earlier_run: id of the run that it waits for
    :param waits: for what of that run
    """

    skipped_for: str | None = None
    earlier_run: str | None = None
    waits: Waits | None = None


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
    free = _not_waiting_for(run.run_id, others)
    going = [other for other in free if other.started is not None]
    if concurrency == "skip":
        return _skip(run, going)
    waits: Waits = "same_node" if concurrency == "parallel_mode_1" else "same_node_and_downstream"
    earlier = _date_before(run, free) or _newest(going)
    return Coupling(earlier_run=earlier.run_id, waits=waits) if earlier else UNCOUPLED


def _skip(run: StartingRun, going: Sequence[OtherRun]) -> Coupling:
    newest = _newest(going)
    if newest is None:
        return UNCOUPLED
    goes_after = (
        run.has_run_before
        or (run.backfill is not None and any(other.backfill == run.backfill for other in going))
        or (run.run_type == "scheduled" and any(other.backfill is not None for other in going))
    )
    if goes_after:
        return Coupling(earlier_run=newest.run_id, waits="whole_run")
    return Coupling(skipped_for=newest.run_id)


def _not_waiting_for(run_id: str, others: Sequence[OtherRun]) -> list[OtherRun]:
    """Return the runs that do not wait for this one, nor for one that does."""
    waiting = {run_id}
    while more := {
        other.run_id for other in others if other.earlier_run in waiting and other.run_id not in waiting
    }:
        waiting |= more
    return [other for other in others if other.run_id not in waiting]


def _newest(going: Sequence[OtherRun]) -> OtherRun | None:
    """Return the run that started last; of several that wait for each other, the last in the row."""
    waited_for = {other.earlier_run for other in going}
    last = [other for other in going if other.run_id not in waited_for] or list(going)
    return max(last, key=lambda other: (other.started, other.run_after, other.run_id), default=None)


def _date_before(run: StartingRun, others: Sequence[OtherRun]) -> OtherRun | None:
    """Return the unfinished run of the same backfill that comes before this one in its row."""
    before = [
        other
        for other in others
        if run.backfill is not None and other.backfill == run.backfill and other.place < run.place
    ]
    return max(before, key=lambda other: other.place, default=None)
