"""Windows of business times.

A window is laid on the wall clock of the asking flow's zone, as all its times are: a day is a day there, and
hours are counted there, also over a clock change. Source: flow-spec, *dependency_check*.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta

_LAST = re.compile(r"last_([1-9]\d{0,3})_(hours|days)")
_MOMENT = datetime.resolution
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Business times from one to another, both inclusive, naive on the wall clock of the asking flow.

    :param first: ``None`` for all that are not after ``last``
    """

    first: datetime | None
    last: datetime

    def __contains__(self, business_time: datetime) -> bool:
        return business_time <= self.last and (self.first is None or business_time >= self.first)


def span_of(window: str, business_time: datetime, *, own: bool) -> Span:
    """Return the business times of a window.

    Days are whole days. The weeks begin on Monday. Of this week, this month and the last days, the asking
    day is the last one. Of the own flow, cycles before the asking one count; but the same time and the same
    day are what they say.

    :param window: a word of the spec
    :param business_time: of the asking run, naive on the wall clock of its flow's zone
    :param own: the asking flow waits for itself
    :raises ValueError: there is no such window
    :raises OverflowError: the window leads out of the calendar
    """
    midnight = datetime.combine(business_time.date(), time.min)
    last = business_time - _MOMENT if own else midnight + _DAY - _MOMENT
    if window == "same_time":
        return Span(business_time, business_time)
    if window == "same_day":
        return Span(midnight, midnight + _DAY - _MOMENT)
    if window == "previous_cycle":
        return Span(None, business_time - _MOMENT)
    if window == "this_week":
        return Span(_monday(midnight), last)
    if window == "last_week":
        monday = _monday(midnight)
        return Span(monday - 7 * _DAY, monday - _MOMENT)
    if window == "this_month":
        return Span(midnight.replace(day=1), last)
    if window == "last_month":
        first = midnight.replace(day=1)
        return Span((first - _DAY).replace(day=1), first - _MOMENT)
    match = _LAST.fullmatch(window)
    if match is None:
        raise ValueError(f"{window[:40]!r} is no window")
    number = int(match[1])
    if own:
        return Span(business_time - timedelta(**{match[2]: number}), last)
    if match[2] == "hours":
        return Span(business_time - timedelta(hours=number) + _MOMENT, business_time)
    return Span(midnight - (number - 1) * _DAY, last)


def _monday(midnight: datetime) -> datetime:
    return midnight - midnight.weekday() * _DAY
