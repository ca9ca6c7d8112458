"""The kinds of schedule of a flow: when, on the wall clock (DMS reference, section 5.1; flow-spec)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Literal

from dms_provider.schedules.cron import parse_cron
from dms_provider.schedules.errors import ScheduleError
from dms_provider.schedules.recurrence import Days, MonthDay, Recurrence, SingleTime, WallTimes

Last = Literal["last"]
_WHOLE_SECONDS = "a time of day has whole seconds and no zone of its own"


@dataclass(frozen=True)
class HourInterval:
    """At an interval of hours from a time to a time, each day.

    :param start: first time of each day
    :param every: hours between two times, 1 to 23
    :param end: no time of a day lies behind this one, which may be a time itself
    """

    start: time
    every: int
    end: time

    def __post_init__(self) -> None:
        _check_time(self.start, "start")
        _check_time(self.end, "end")
        if not 1 <= self.every <= 23:
            raise ScheduleError(f"every {self.every} hours: allowed are 1 to 23 hours", "every")
        if self.end < self.start:
            raise ScheduleError(f"the end {self.end} is before the start {self.start}", "end")

    @property
    def wall_times(self) -> WallTimes:
        """When it is, on the wall clock."""
        hours = range(self.start.hour, 24, self.every)
        return Recurrence(
            hours=tuple(hour for hour in hours if self.start.replace(hour=hour) <= self.end),
            minutes=(self.start.minute,),
            seconds=(self.start.second,),
        )


@dataclass(frozen=True)
class HoursOfDay:
    """At these whole hours, each day.

    :param hours: 0 to 23, at least one
    """

    hours: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_numbers(self.hours, 0, 23, "hour", "hours")

    @property
    def wall_times(self) -> WallTimes:
        """When it is, on the wall clock."""
        return Recurrence(hours=tuple(sorted(set(self.hours))))


@dataclass(frozen=True)
class Daily:
    """At a time, each day."""

    at: time

    def __post_init__(self) -> None:
        _check_time(self.at, "at")

    @property
    def wall_times(self) -> WallTimes:
        """When it is, on the wall clock."""
        return _at(self.at, Days())


@dataclass(frozen=True)
class Weekly:
    """At a time, on these weekdays.

    :param days: Monday is 0, Sunday is 6; at least one
    :param at: time of day
    """

    days: tuple[int, ...]
    at: time

    def __post_init__(self) -> None:
        _check_numbers(self.days, 0, 6, "weekday", "days")
        _check_time(self.at, "at")

    @property
    def wall_times(self) -> WallTimes:
        """When it is, on the wall clock."""
        weekdays = tuple(sorted(set(self.days)))
        return _at(self.at, Days(weekdays=weekdays if len(weekdays) < 7 else ()))


@dataclass(frozen=True)
class Monthly:
    """At a time, on these days of each month; a month without such a day is passed over.

    :param days: 1 to 31, or ``last`` for the last day; at least one
    :param at: time of day
    """

    days: tuple[int | Last, ...]
    at: time

    def __post_init__(self) -> None:
        if not self.days:
            raise ScheduleError("no day is named", "days")
        for day in self.days:
            if day != "last" and not 1 <= day <= 31:
                raise ScheduleError(f"day {day} is not in any month; allowed are 1 to 31 and last", "days")
        _check_time(self.at, "at")

    @property
    def wall_times(self) -> WallTimes:
        """When it is, on the wall clock."""
        return _at(
            self.at,
            Days(month_days=tuple(MonthDay(0 if day == "last" else day) for day in dict.fromkeys(self.days))),
        )


@dataclass(frozen=True)
class Once:
    """Once.

    :param at: date and time on the wall clock, naive
    """

    at: datetime

    def __post_init__(self) -> None:
        if self.at.tzinfo is not None or self.at.microsecond:
            raise ScheduleError(f"once at {self.at}: {_WHOLE_SECONDS}", "once")

    @property
    def wall_times(self) -> WallTimes:
        """When it is, on the wall clock."""
        return SingleTime(self.at)


@dataclass(frozen=True)
class Cron:
    """At the times that a cron text names.

    :param text: 5 fields, or Quartz's 6 or 7
    """

    text: str

    def __post_init__(self) -> None:
        parse_cron(self.text)

    @property
    def wall_times(self) -> WallTimes:
        """When it is, on the wall clock."""
        return parse_cron(self.text)


Rule = HourInterval | HoursOfDay | Daily | Weekly | Monthly | Once | Cron


def _at(at: time, days: Days) -> Recurrence:
    return Recurrence(hours=(at.hour,), minutes=(at.minute,), seconds=(at.second,), days=days)


def _check_time(value: time, field: str) -> None:
    if value.tzinfo is not None or value.microsecond:
        raise ScheduleError(f"{field} {value}: {_WHOLE_SECONDS}", field)


def _check_numbers(numbers: Sequence[int], low: int, high: int, noun: str, field: str) -> None:
    if not numbers:
        raise ScheduleError(f"no {noun} is named", field)
    for number in numbers:
        if not low <= number <= high:
            raise ScheduleError(f"{noun} {number} does not exist; allowed are {low} to {high}", field)
