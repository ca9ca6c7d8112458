"""Run time and business time of one run.

Source: flow-spec, *Time*; DMS reference, section 2.4: business time is run time minus one calendar day on the
wall clock of the flow's zone, time of day kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import timezone as fixed_zone
from typing import Any
from zoneinfo import ZoneInfo

from dms_provider.variables.run_conf import RunConfError, read_run_conf

_ONE_DAY = timedelta(days=1)
_ISO_8601 = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,6})\d*)?)?"
    r"\s?(?P<zone>[Zz]|(?P<sign>[+-])(?P<zone_hour>\d\d):?(?P<zone_minute>\d\d)?)?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class RunTimes:
    """The two times of one run, both in the flow's zone.

    Both are what the flow's wall clock shows: a day more or less keeps the time of day over a clock change.

    :param run_time: a scheduled run's slot; a manual run's trigger time
    :param business_time: the time that the run is about
    """

    run_time: datetime
    business_time: datetime

    @classmethod
    def from_run_time(cls, run_time: datetime, timezone: str) -> RunTimes:
        """Return the times of a run that is triggered, or has its slot, at ``run_time``.

        :param run_time: with a zone, any
        :param timezone: IANA name of the flow's zone
        :raises ValueError: ``run_time`` has no zone, or the flow's zone is not known
        """
        local = _in_zone(run_time, timezone)
        return cls(run_time=local, business_time=local - _ONE_DAY)

    @classmethod
    def from_business_time(cls, business_time: datetime, timezone: str) -> RunTimes:
        """Return the times of a run that is about ``business_time``.

        :param business_time: with a zone, any
        :param timezone: IANA name of the flow's zone
        :raises ValueError: ``business_time`` has no zone, or the flow's zone is not known
        """
        local = _in_zone(business_time, timezone)
        return cls(run_time=local + _ONE_DAY, business_time=local)


def parse_time(text: str, timezone: str) -> datetime:
    """Read a time that a person or a program gave.

    :param text: ISO 8601: a date, or a date and a time, with or without a zone
    :param timezone: IANA name of the flow's zone; a time without a zone is of this one
    :return: the time in the flow's zone
    :raises ValueError: the text is no such time, or the flow's zone is not known
    """
    match = _ISO_8601.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no time; write ISO 8601, for example 2021-08-11T11:05:21")
    part = match.groupdict(default="0")
    zone = _zone(timezone)
    try:
        naive = datetime(
            int(part["year"]),
            int(part["month"]),
            int(part["day"]),
            int(part["hour"]),
            int(part["minute"]),
            int(part["second"]),
            int(part["fraction"].ljust(6, "0")),
        )
        if match["zone"] is None:
            return naive.replace(tzinfo=zone)
        if match["zone_minute"] is not None and int(part["zone_minute"]) > 59:
            raise ValueError("minutes of the zone must be in 0..59")
        offset = timedelta(hours=int(part["zone_hour"]), minutes=int(part["zone_minute"]))
        offset = -offset if part["sign"] == "-" else offset
        for fold in (0, 1):
            # as the wall clock shows it, also where it skips that time: converting would move it
            local = naive.replace(tzinfo=zone, fold=fold)
            if local.utcoffset() == offset:
                return local
        return naive.replace(tzinfo=fixed_zone(offset)).astimezone(zone)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:40]!r} is no time: {error}") from error


def run_times(dag_run: Any, timezone: str) -> RunTimes:
    """Return the times of a run, from what Airflow knows of it.

    The business time comes from the run's conf where it is given there, else from ``run_after``, which is
    the slot of scheduled and backfilled runs and the trigger time of manual ones.

    :param dag_run: the ``dag_run`` of a task's context
    :param timezone: IANA name of the flow's zone
    :raises RunConfError: the run's conf cannot be understood
    :raises ValueError: the flow's zone is not known
    """
    given = read_run_conf(dag_run.conf).business_time
    if given is None:
        return RunTimes.from_run_time(dag_run.run_after, timezone)
    _zone(timezone)
    try:
        return RunTimes.from_business_time(parse_time(given, timezone), timezone)
    except (ValueError, OverflowError) as error:
        raise RunConfError(f"business_time: {error}") from error


def _in_zone(moment: datetime, timezone: str) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    if type(moment) is not datetime:
        # Airflow's own times are pendulum's, which count days in UTC after a change to another kind of zone.
        moment = datetime.combine(moment.date(), moment.time(), moment.tzinfo).replace(fold=moment.fold)
    return moment.astimezone(_zone(timezone))


def _zone(timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"unknown time zone {timezone!r}; write an IANA name, for example Asia/Shanghai"
        ) from error
