"""A rule in words, and as cron texts.

An interval of hours becomes the list of its hours, since a range with a step cannot say where the day's last
time is (DMS reference, section 5.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time

from dms_provider.schedules.cron import is_quartz
from dms_provider.schedules.recurrence import Days, MonthDay, Recurrence
from dms_provider.schedules.rules import Cron, Daily, HourInterval, HoursOfDay, Monthly, Once, Rule, Weekly

WEEKDAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class CronText:
    """A rule as cron texts.

    :param five_field: minute, hour, day of month, month, day of week; ``None`` if there are seconds or years
    :param quartz: second, minute, hour, day of month, month, day of week, and the year if there is one;
        ``None`` if Quartz cannot say it: days of the month and days of the week together, or the last day of
        the month among others
    """

    five_field: str | None
    quartz: str | None


def cron_text(rule: Rule) -> CronText | None:
    """Return the cron texts of a rule, or ``None`` if it has none."""
    if isinstance(rule, Once):
        return None
    recurrence = rule.wall_times
    assert isinstance(recurrence, Recurrence)
    if not isinstance(rule, Cron):
        return CronText(_five_field(recurrence), _quartz(recurrence))
    text = " ".join(rule.text.split())
    if is_quartz(text):
        return CronText(_five_field(recurrence), text)
    return CronText(text, _quartz(recurrence))


def describe_rule(rule: Rule) -> str:
    """Return a rule in words, without its zone."""
    match rule:
        case HourInterval():
            unit = "hour" if rule.every == 1 else f"{rule.every} hours"
            return f"every {unit} from {_clock(rule.start)} to {_clock(rule.end)}"
        case HoursOfDay():
            hours = sorted(set(rule.hours))
            return "every hour" if len(hours) == 24 else f"at {', '.join(f'{hour:02}:00' for hour in hours)}"
        case Daily():
            return f"every day {_clock(rule.at)}"
        case Weekly():
            return f"{', '.join(WEEKDAY_NAMES[day] for day in sorted(set(rule.days)))} {_clock(rule.at)}"
        case Monthly():
            days = ["last day" if day == "last" else str(day) for day in dict.fromkeys(rule.days)]
            return f"every month on {', '.join(days)} {_clock(rule.at)}"
        case Once():
            return f"once {rule.at:%Y-%m-%d} {_clock(rule.at.time())}"
        case Cron():
            return " ".join(rule.text.split())


def _clock(at: time) -> str:
    return at.isoformat("seconds" if at.second else "minutes")


def _five_field(recurrence: Recurrence) -> str | None:
    days = recurrence.days
    if recurrence.seconds != (0,) or days.years:
        return None
    return " ".join(
        (
            _list(recurrence.minutes, 60),
            _list(recurrence.hours, 24),
            _month_days(days) or "*",
            _list(days.months or range(1, 13), 12),
            _weekdays(days, sunday=0) or "*",
        )
    )


def _quartz(recurrence: Recurrence) -> str | None:
    days = recurrence.days
    of_week = bool(days.weekdays or days.weekdays_of_month)
    counted_from_end = [day for day in days.month_days if day.day <= 0 or day.weekday]
    if (of_week and days.month_days) or (counted_from_end and len(days.month_days) > 1):
        return None
    if days.weekdays_of_month and len(days.weekdays) + len(days.weekdays_of_month) > 1:
        return None
    fields = [
        _list(recurrence.seconds, 60),
        _list(recurrence.minutes, 60),
        _list(recurrence.hours, 24),
        "?" if of_week else _month_days(days) or "*",
        _list(days.months or range(1, 13), 12),
        _weekdays(days, sunday=1) or "?",
    ]
    if days.years:
        fields.append(_list(days.years, 0))
    return " ".join(fields)


def _list(numbers: Iterable[int], every: int) -> str:
    """Write numbers as a cron list, ``*`` where there are as many as the field can hold."""
    texts = [str(number) for number in numbers]
    return "*" if len(texts) == every else ",".join(texts)


def _month_days(days: Days) -> str:
    return ",".join(_month_day(day) for day in days.month_days)


def _month_day(day: MonthDay) -> str:
    base = str(day.day) if day.day > 0 else "L" if day.day == 0 else f"L{day.day}"
    return base + "W" if day.weekday else base


def _weekdays(days: Days, *, sunday: int) -> str:
    numbers = sorted((weekday + 1) % 7 + sunday for weekday in days.weekdays)
    texts = [str(number) for number in numbers]
    for part in days.weekdays_of_month:
        number = (part.weekday + 1) % 7 + sunday
        texts.append(f"{number}#{part.occurrence}" if part.occurrence else f"{number}L")
    return ",".join(texts)
