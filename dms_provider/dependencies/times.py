"""The business times that a node looks for, and the runs that are about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from dms_provider.dependencies.dependency import Dependency
from dms_provider.dependencies.runs import NotedRun, NotedRuns, on_clock_of
from dms_provider.dependencies.windows import Span
from dms_provider.schedules import Schedule

MOST_TIMES = 20_000
"""So many business times of a schedule are looked for at most: nobody reads a list of more."""
MOST_OF_ANY = 1_000
"""Where one run is enough, the newest so many business times of a schedule are looked for."""

_DAY = timedelta(days=1)
_MARGIN = timedelta(hours=27)
"""What two zones and a clock change can make between the same times on two wall clocks."""
_CLOCK_CHANGE = timedelta(hours=3)
"""What a clock change can make between the same times on two wall clocks."""
_NEAR = timedelta(days=2)
"""So near must a clock change be to matter."""
_MOMENT = datetime.resolution


class TooManyTimes(ValueError):
    """A window holds more slots of a schedule than anybody wants to wait for. The message says what to do."""


@dataclass(frozen=True, slots=True)
class LookedFor:
    """One business time.

    :param wall: on the wall clock of the flow that is waited for, naive
    :param shown: on the wall clock of the asking flow
    :param is_slot: the schedule has it
    :param runs: ids of the runs that are about it and count
    :param by_hand: ids of the runs that are about it, and would count if the asking run were started by hand
    """

    wall: datetime
    shown: datetime
    is_slot: bool
    runs: tuple[str, ...]
    by_hand: tuple[str, ...] = ()


def looked_for(dependency: Dependency, noted: NotedRuns) -> list[LookedFor]:
    """Return the business times that decide, in order; of a need for the latest only what may be that.

    :raises TooManyTimes: the schedule has more of them than can be looked for
    """
    span = dependency.span
    runs = _runs_in(span, dependency, noted)
    by_hand = {} if dependency.is_manual else _runs_in(span, replace(dependency, is_manual=True), noted)
    slots: list[datetime] = []
    if noted.schedule is None or not noted.is_scheduled:
        wanted = {max(runs)} if runs and dependency.is_of_one_time else set(runs)
    elif dependency.is_of_one_time:
        slot = latest_slot(noted.schedule, span, dependency.timezone)
        slots = [] if slot is None else [slot]
        # a run between two slots, such as a dry run that begins a chain, stands for the slot before it
        wanted = {wall for wall in runs if slot is None or wall >= slot}.union(slots)
    elif dependency.need == "all":
        slots = slots_in(noted.schedule, span, dependency.timezone)
        wanted = set(slots)
    else:
        slots = list(islice(_newest_slots(noted.schedule, span, dependency.timezone), MOST_OF_ANY))
        wanted = set(runs).union(slots)
    slot_set = set(slots)
    return [
        LookedFor(
            wall,
            on_clock_of(wall, noted.timezone, dependency.timezone),
            wall in slot_set,
            tuple(runs.get(wall, ())),
            tuple(run_id for run_id in by_hand.get(wall, ()) if run_id not in runs.get(wall, ())),
        )
        for wall in sorted(wanted)
    ]


def slots_in(schedule: Schedule, span: Span, timezone: str) -> list[datetime]:
    """Return the business times of a schedule's slots that lie in a span, in order.

    :param span: on the wall clock of ``timezone``; it has a first time
    :param timezone: IANA name of the asking flow's zone
    :return: naive, on the wall clock of the schedule
    :raises TooManyTimes: there are more than can be looked for
    """
    assert span.first is not None
    zone = ZoneInfo(timezone)
    start = (span.first + _DAY - _MARGIN).replace(tzinfo=zone)
    end = (span.last + _DAY + _MARGIN).replace(tzinfo=zone)
    found: list[datetime] = []
    for slot in schedule.slots(start, end):
        wall = _business_time(slot, schedule)
        if on_clock_of(wall, schedule.timezone, timezone) in span:
            found.append(wall)
            if len(found) > MOST_TIMES:
                raise TooManyTimes(
                    f"the schedule {schedule.summary} has more than {MOST_TIMES} slots from {span.first}"
                    f" to {span.last}; choose a shorter window, or need: latest"
                )
    return found


def latest_slot(schedule: Schedule, span: Span, timezone: str) -> datetime | None:
    """Return the business time of the last slot of a schedule in a span; ``None`` if there is none.

    :param timezone: IANA name of the asking flow's zone
    :return: naive, on the wall clock of the schedule
    """
    return next(_newest_slots(schedule, span, timezone), None)


def _newest_slots(schedule: Schedule, span: Span, timezone: str) -> Iterator[datetime]:
    """Walk the slots of a schedule that lie in a span, the last one first."""
    last = on_clock_of(span.last, timezone, schedule.timezone)
    # no farther ahead than a clock change can make: each slot between is walked over
    last += clock_margin(last, (schedule.zone, ZoneInfo(timezone)))
    slot = schedule.latest_slot((last + _DAY).replace(tzinfo=schedule.zone))
    while slot is not None:
        wall = _business_time(slot, schedule)
        shown = on_clock_of(wall, schedule.timezone, timezone)
        if shown in span:
            yield wall
        if span.first is not None and shown < span.first - _MARGIN:
            return
        slot = schedule.latest_slot(slot.astimezone(ZoneInfo("UTC")) - _MOMENT)


def clock_margin(moment: datetime, zones: Iterable[ZoneInfo]) -> timedelta:
    """Return how far from a time on a wall clock may lie what is shown as that time on another.

    :param moment: naive
    """
    for zone in zones:
        near = ((moment + days).replace(tzinfo=zone).utcoffset() for days in (-_NEAR, _DAY, _NEAR))
        if len(set(near)) > 1:
            return _CLOCK_CHANGE
    return timedelta()


def _business_time(slot: datetime, schedule: Schedule) -> datetime:
    return slot.astimezone(schedule.zone).replace(tzinfo=None) - _DAY


def _runs_in(span: Span, dependency: Dependency, noted: NotedRuns) -> dict[datetime, list[str]]:
    found: dict[datetime, list[str]] = {}
    for run_id, run in noted.runs.items():
        if _counts(run_id, run, dependency, noted):
            wall = run.wall(noted.timezone)
            if on_clock_of(wall, noted.timezone, dependency.timezone) in span:
                found.setdefault(wall, []).append(run_id)
    return found


def _counts(run_id: str, run: NotedRun, dependency: Dependency, noted: NotedRuns) -> bool:
    if run_id == dependency.own_run and dependency.node is None:
        return False
    if run.is_part and dependency.node is None:
        return False
    return not run.is_manual or dependency.is_manual or not noted.is_scheduled
