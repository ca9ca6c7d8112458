"""Wall-clock times that recur: some hours, minutes and seconds of some days."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Iterator
from datetime import MAXYEAR, MINYEAR, datetime, timedelta
from typing import NamedTuple, Protocol

FIRST_YEAR, LAST_YEAR = MINYEAR, MAXYEAR
_GREGORIAN_CYCLE = 400  # years after which dates fall on the same weekdays again
_SATURDAY, _SUNDAY = 5, 6
_Numbers = tuple[int, ...]


class WallTimes(Protocol):
    """A set of naive wall-clock times, whole seconds each."""

    def at_or_after(self, moment: datetime) -> datetime | None:
        """Return the first of them that is not before ``moment``."""

    def at_or_before(self, moment: datetime) -> datetime | None:
        """Return the last of them that is not behind ``moment``."""


class MonthDay(NamedTuple):
    """A day counted within its month.

    :param day: from 1 on; 0 is the last day of the month, -1 the one before it, and so on
    :param weekday: whether the working day (Monday to Friday) nearest to it in the same month is meant
    """

    day: int
    weekday: bool = False

    def of(self, first_weekday: int, length: int) -> int | None:
        """Return the day of a month, or ``None`` if the month has no such day.

        :param first_weekday: weekday of the month's first day, Monday is 0
        :param length: how many days the month has
        """
        day = self.day if self.day > 0 else length + self.day
        if not 1 <= day <= length:
            return None
        if self.weekday:
            weekday = (first_weekday + day - 1) % 7
            if weekday == _SATURDAY:
                day += -1 if day > 1 else 2
            elif weekday == _SUNDAY:
                day += 1 if day < length else -2
        return day


class WeekdayOfMonth(NamedTuple):
    """The n-th of a weekday in its month.

    :param weekday: Monday is 0
    :param occurrence: 1 to 5; 0 is the last one
    """

    weekday: int
    occurrence: int

    def of(self, first_weekday: int, length: int) -> int | None:
        """As :meth:`MonthDay.of`."""
        first = 1 + (self.weekday - first_weekday) % 7
        if self.occurrence == 0:
            return first + (length - first) // 7 * 7
        day = first + (self.occurrence - 1) * 7
        return day if day <= length else None


class Days(NamedTuple):
    """Days of the calendar: those that any of its parts names, in the months and years given.

    With no part, every day of them.

    :param month_days: days counted within the month
    :param weekdays: Monday is 0
    :param weekdays_of_month: such as the second Tuesday
    :param months: 1 to 12; empty means all
    :param years: empty means all
    """

    month_days: tuple[MonthDay, ...] = ()
    weekdays: _Numbers = ()
    weekdays_of_month: tuple[WeekdayOfMonth, ...] = ()
    months: _Numbers = ()
    years: _Numbers = ()

    def of_month(self, year: int, month: int) -> list[int]:
        """Return the days of one month, in order."""
        first_weekday, length = monthrange(year, month)
        if not (self.month_days or self.weekdays or self.weekdays_of_month):
            return list(range(1, length + 1))
        days = {part.of(first_weekday, length) for part in self.month_days}
        days.update(part.of(first_weekday, length) for part in self.weekdays_of_month)
        for weekday in self.weekdays:
            days.update(range(1 + (weekday - first_weekday) % 7, length + 1, 7))
        return sorted(day for day in days if day is not None)

    def _months(self, year: int, month: int, step: int) -> Iterator[tuple[int, int]]:
        """Walk the months in question from one on; ends when the calendar does, or nothing new can come."""
        months = self.months or range(1, 13)
        bound = year + step * _GREGORIAN_CYCLE
        years: list[int] | range
        if self.years:
            years = sorted(y for y in self.years if (y - year) * step >= 0)[::step]
        elif step > 0:
            years = range(year, min(bound, LAST_YEAR) + 1)
        else:
            years = range(year, max(bound, FIRST_YEAR) - 1, -1)
        for y in years:
            for m in months[::step]:
                if y != year or (m - month) * step >= 0:
                    yield y, m

    def at_or_after(self, year: int, month: int, day: int) -> tuple[int, int, int] | None:
        """Return the first of these days that is not before one, as year, month and day."""
        for y, m in self._months(year, month, 1):
            days = self.of_month(y, m)
            index = bisect_left(days, day) if (y, m) == (year, month) else 0
            if index < len(days):
                return y, m, days[index]
        return None

    def at_or_before(self, year: int, month: int, day: int) -> tuple[int, int, int] | None:
        """Return the last of these days that is not behind one, as year, month and day."""
        for y, m in self._months(year, month, -1):
            days = self.of_month(y, m)
            index = bisect_right(days, day) if (y, m) == (year, month) else len(days)
            if index:
                return y, m, days[index - 1]
        return None


class Recurrence(NamedTuple):
    """Every combination of these hours, minutes and seconds, on these days; tuples in order, none empty."""

    hours: _Numbers
    minutes: _Numbers = (0,)
    seconds: _Numbers = (0,)
    days: Days = Days()

    def at_or_after(self, moment: datetime) -> datetime | None:
        """Return the first of these times that is not before ``moment``."""
        if moment.microsecond:
            if moment.replace(microsecond=0) == datetime.max.replace(microsecond=0):
                return None
            moment = moment.replace(microsecond=0) + timedelta(seconds=1)
        found = self.days.at_or_after(moment.year, moment.month, moment.day)
        if found == (moment.year, moment.month, moment.day):
            time = self._time_at_or_after(moment.hour, moment.minute, moment.second)
            if time is not None:
                return datetime(*found, *time)
            if moment.date() == datetime.max.date():
                return None
            after = moment.date() + timedelta(days=1)
            found = self.days.at_or_after(after.year, after.month, after.day)
        return found and datetime(*found, self.hours[0], self.minutes[0], self.seconds[0])

    def at_or_before(self, moment: datetime) -> datetime | None:
        """Return the last of these times that is not behind ``moment``."""
        found = self.days.at_or_before(moment.year, moment.month, moment.day)
        if found == (moment.year, moment.month, moment.day):
            time = self._time_at_or_before(moment.hour, moment.minute, moment.second)
            if time is not None:
                return datetime(*found, *time)
            if moment.date() == datetime.min.date():
                return None
            before = moment.date() - timedelta(days=1)
            found = self.days.at_or_before(before.year, before.month, before.day)
        return found and datetime(*found, self.hours[-1], self.minutes[-1], self.seconds[-1])

    def _time_at_or_after(self, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
        h = bisect_left(self.hours, hour)
        if h < len(self.hours) and self.hours[h] == hour:
            m = bisect_left(self.minutes, minute)
            if m < len(self.minutes) and self.minutes[m] == minute:
                s = bisect_left(self.seconds, second)
                if s < len(self.seconds):
                    return hour, minute, self.seconds[s]
                m += 1
            if m < len(self.minutes):
                return hour, self.minutes[m], self.seconds[0]
            h += 1
        return (self.hours[h], self.minutes[0], self.seconds[0]) if h < len(self.hours) else None

    def _time_at_or_before(self, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
        h = bisect_right(self.hours, hour) - 1
        if h >= 0 and self.hours[h] == hour:
            m = bisect_right(self.minutes, minute) - 1
            if m >= 0 and self.minutes[m] == minute:
                s = bisect_right(self.seconds, second) - 1
                if s >= 0:
                    return hour, minute, self.seconds[s]
                m -= 1
            if m >= 0:
                return hour, self.minutes[m], self.seconds[-1]
            h -= 1
        return (self.hours[h], self.minutes[-1], self.seconds[-1]) if h >= 0 else None


class SingleTime(NamedTuple):
    """One wall-clock time."""

    at: datetime

    def at_or_after(self, moment: datetime) -> datetime | None:
        """Return it if it is not before ``moment``."""
        return self.at if self.at >= moment else None

    def at_or_before(self, moment: datetime) -> datetime | None:
        """Return it if it is not behind ``moment``."""
        return self.at if self.at <= moment else None
