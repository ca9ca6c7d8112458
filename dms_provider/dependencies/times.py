"""The business times that a node looks for, and the runs that are about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dms_provider.dependencies.dependency import Dependency
from dms_provider.dependencies.runs import NotedRun, NotedRuns, on_clock_of
from dms_provider.dependencies.windows import Span
from dms_provider.schedules import Schedule

MOST_TIMES = 20_000
"""So many business times of a schedule are looked for at most: nobody reads a list of more."""

_DAY = timedelta(days=1)
_MARGIN = timedelta(hours=27)
"""What two zones and a clock change can make between the same times on two wall clocks."""
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
    """

    wall: datetime
    shown: datetime
    is_slot: bool
    runs: tuple[str, ...]


def looked_for(dependency: Dependency, noted: NotedRuns) -> list[LookedFor]:
    """Return the business times that decide, in order; of a need for the latest only what may be that.

    :raises TooManyTimes: the schedule has more of them than can be looked for
    """
    span = dependency.span
    runs = _runs_in(span, dependency, noted)
    slots: list[datetime] = []
    if noted.schedule is None or not noted.is_scheduled:
        wanted = {max(runs)} if runs and dependency.is_of_one_time else set(runs)
    elif dependency.is_of_one_time:
        slot = latest_slot(noted.schedule, span, dependency.timezone)
        slots = [] if slot is None else [slot]
        # a run between two slots, such as a dry run that begins a chain, stands for the slot before it
        wanted = {wall for wall in runs if slot is None or wall >= slot}.union(slots)
    else:
        slots = slots_in(noted.schedule, span, dependency.timezone)
        wanted = set(slots) if dependency.need == "all" else set(runs).union(slots)
    slot_set = set(slots)
    return [
        LookedFor(
            wall,
            on_clock_of(wall, noted.timezone, dependency.timezone),
            wall in slot_set,
            tuple(runs.get(wall, ())),
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
    slot = schedule.latest_slot((span.last + _DAY + _MARGIN).replace(tzinfo=ZoneInfo(timezone)))
    while slot is not None:
        wall = _business_time(slot, schedule)
        shown = on_clock_of(wall, schedule.timezone, timezone)
        if shown in span:
            return wall
        if span.first is not None and shown < span.first - _MARGIN:
            return None
        slot = schedule.latest_slot(slot.astimezone(ZoneInfo("UTC")) - _MOMENT)
    return None


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
