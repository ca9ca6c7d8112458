"""Cron texts: the 5 fields of Unix, and Quartz's 6 or 7 that DMS generates.

Quartz counts seconds first and weekdays from Sunday = 1; Unix counts Sunday as 0 or 7 (DMS reference, section
5.1). In a Unix text with both days restricted, either makes a day; Quartz allows one of them only, the other
being ``?``.
"""

from __future__ import annotations

import re
from functools import lru_cache

from dms_provider.messages import shortened
from dms_provider.schedules import cron_fields as fields
from dms_provider.schedules.errors import ScheduleError
from dms_provider.schedules.recurrence import FIRST_YEAR, Days, MonthDay, Recurrence, WeekdayOfMonth

_LONGEST = 256
_EVERY = ("*", "*/1")
_SPECIAL_MONTH_DAY = re.compile(r"L(?:-(?P<before>\d{1,2}))?(?P<weekday>W)?|(?P<day>\d{1,2})W", re.ASCII)
_SPECIAL_WEEKDAY = re.compile(r"(?P<weekday>\w+)#(?P<occurrence>\d+)|(?P<last>\w+)L", re.ASCII)


@lru_cache(maxsize=1024)
def parse_cron(text: str) -> Recurrence:
    """Read a cron text.

    :param text: 5 fields (minute, hour, day of month, month, day of week), or 6 or 7 with the second first
        and the year last
    :return: the times that it names
    :raises ScheduleError: naming the field that is wrong, its value and what is allowed; also for a text that
        names no day at all, such as 30 February
    """
    try:
        recurrence = _parse(text)
    except ScheduleError as error:
        raise ScheduleError(f"cron `{shortened(text, 60)}`: {error.message}", error.field) from None
    return recurrence


def is_quartz(text: str) -> bool:
    """Return whether a cron text that can be read is Quartz's."""
    return len(text.split()) > 5


def _parse(text: str) -> Recurrence:
    parts = text.upper().split() if len(text) <= _LONGEST else []
    if not 5 <= len(parts) <= 7:
        raise ScheduleError(
            f"has {len(text.split())} fields and {len(text)} characters; write 5 fields (minute hour "
            "day-of-month month day-of-week), or Quartz's 6 or 7 (second first, year last), "
            f"in at most {_LONGEST} characters",
            "cron",
        )
    recurrence = _parse_unix(parts) if len(parts) == 5 else _parse_quartz(parts)
    if recurrence.days.at_or_after(FIRST_YEAR, 1, 1) is None:
        raise ScheduleError("never fires: no year has such a day", "cron")
    return recurrence


def _parse_unix(parts: list[str]) -> Recurrence:
    minute, hour, month_day, month, weekday = parts
    for field, part in zip((fields.DAY_OF_MONTH, fields.UNIX_WEEKDAY), (month_day, weekday), strict=True):
        if part == "?":
            raise ScheduleError(
                f"{field.name}: ? belongs to Quartz's form, which starts with the second; write * here",
                "cron",
            )
    return Recurrence(
        hours=fields.HOUR.numbers(hour),
        minutes=fields.MINUTE.numbers(minute),
        days=_days(month_day, month, weekday, quartz=False),
    )


def _parse_quartz(parts: list[str]) -> Recurrence:
    second, minute, hour, month_day, month, weekday = parts[:6]
    if month_day == weekday == "?":
        raise ScheduleError(
            "day of month and day of week are both ?; one of them must say which days", "cron"
        )
    days = _days(
        "*" if month_day == "?" else month_day, month, "*" if weekday == "?" else weekday, quartz=True
    )
    if days.month_days and (days.weekdays or days.weekdays_of_month):
        raise ScheduleError(
            f"day of month is {month_day} and day of week is {weekday}; Quartz allows one of them only, "
            "the other must be ?",
            "cron",
        )
    if len(parts) == 7 and parts[6] != "*":
        days = Days(
            days.month_days, days.weekdays, days.weekdays_of_month, days.months, fields.YEAR.numbers(parts[6])
        )
    return Recurrence(
        hours=fields.QUARTZ_HOUR.numbers(hour),
        minutes=fields.QUARTZ_MINUTE.numbers(minute),
        seconds=fields.SECOND.numbers(second),
        days=days,
    )


def _days(month_day: str, month: str, weekday: str, *, quartz: bool) -> Days:
    months = (fields.QUARTZ_MONTH if quartz else fields.MONTH).numbers(month)
    weekdays, weekdays_of_month = _weekdays(weekday, quartz=quartz)
    return Days(
        month_days=_month_days(month_day, fields.QUARTZ_DAY_OF_MONTH if quartz else fields.DAY_OF_MONTH),
        weekdays=weekdays,
        weekdays_of_month=weekdays_of_month,
        months=() if len(months) == 12 else months,
    )


def _month_days(text: str, field: fields.Field) -> tuple[MonthDay, ...]:
    """Read a day of month; empty where it restricts nothing."""
    if text in _EVERY:
        return ()
    days: dict[MonthDay, None] = {}
    for element in text.split(","):
        match = _SPECIAL_MONTH_DAY.fullmatch(element)
        if match is None:
            days.update(dict.fromkeys(MonthDay(day) for day in field.numbers(element)))
        elif match["day"] is not None:
            days[MonthDay(field.number(match["day"]), weekday=True)] = None
        else:
            before = int(match["before"] or 0)
            if before > 30:
                raise ScheduleError(
                    f"{field.name}: {element} is before the month; at most L-30 is allowed", "cron"
                )
            days[MonthDay(-before, weekday=match["weekday"] is not None)] = None
    return tuple(days)


def _weekdays(text: str, *, quartz: bool) -> tuple[tuple[int, ...], tuple[WeekdayOfMonth, ...]]:
    """Read a day of week, counted from Monday = 0 in the result; both empty where it restricts nothing."""
    if text in _EVERY:
        return (), ()
    field = fields.QUARTZ_WEEKDAY if quartz else fields.UNIX_WEEKDAY
    sunday = 1 if quartz else 0
    weekdays: set[int] = set()
    of_month: dict[WeekdayOfMonth, None] = {}
    for element in text.split(","):
        match = _SPECIAL_WEEKDAY.fullmatch(element)
        if element == "L" and quartz:
            weekdays.add(5)  # Quartz: the last day of the week is Saturday
        elif match is None:
            weekdays.update((number - sunday - 1) % 7 for number in field.numbers(element))
        elif match["last"] is not None:
            of_month[WeekdayOfMonth((field.number(match["last"]) - sunday - 1) % 7, 0)] = None
        else:
            occurrence = int(match["occurrence"]) if len(match["occurrence"]) == 1 else 0
            if not 1 <= occurrence <= 5:
                raise ScheduleError(
                    f"{field.name}: {element}: a weekday comes up to 5 times a month; allowed are #1 to #5",
                    "cron",
                )
            of_month[WeekdayOfMonth((field.number(match["weekday"]) - sunday - 1) % 7, occurrence)] = None
    return tuple(sorted(weekdays)), tuple(of_month)
