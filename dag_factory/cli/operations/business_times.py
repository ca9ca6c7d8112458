"""The business times of a range."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from dag_factory.cli.commands import UsageError
from dag_factory.cli.one_spec import read_time
from dms_provider.variables.run_times import RunTimes

MAX_TIMES = 10_000
"""More runs than this are a slip of the pen."""

_STEP = re.compile(r"(?P<number>\d{1,6})(?P<unit>[smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def read_range(start: str, end: str, every: str, zone: str) -> list[datetime]:
    """Return the business times from one to another, both inclusive.

    Days are those of the flow's wall clock, so that the time of day stays; other steps are time that passes.

    :param every: the step: a number and a unit
    :param zone: IANA name of the flow's zone
    :raises UsageError: it is no range
    """
    first, last = read_business_time("--from", start, zone), read_business_time("--to", end, zone)
    match = _STEP.fullmatch(every)
    step = timedelta(**{_UNITS[match["unit"]]: int(match["number"])}) if match else timedelta()
    if match is None or not step:
        raise UsageError(
            f"--every: {every[:40]!r} is no step; write a number and s, m, h or d, for example 1d"
        )
    if _moment(first) > _moment(last):
        raise UsageError("--from is later than --to")
    times: list[datetime] = []
    while True:
        try:
            passed = len(times) * step
            if match["unit"] == "d":
                time = first + passed
            else:
                time = (_moment(first) + passed).astimezone(first.tzinfo)
            if _moment(time) > _moment(last):
                return times
        except OverflowError:
            return times
        if len(times) == MAX_TIMES:
            raise UsageError(f"--every: these would be more than {MAX_TIMES} runs")
        times.append(time)


def read_business_time(option: str, text: str, zone: str) -> datetime:
    """Return a business time that an option gives; without a zone it is of the flow's.

    :raises UsageError: it is no time, or its run time lies beyond the calendar
    """
    time = read_time(option, text, zone)
    try:
        RunTimes.from_business_time(_moment(time), zone)
    except OverflowError:
        raise UsageError(f"{option}: {text[:40]!r} has no day after it") from None
    return time


def _moment(time: datetime) -> datetime:
    return time.astimezone(timezone.utc)
