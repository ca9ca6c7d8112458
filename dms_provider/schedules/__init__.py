"""When flows run: the calendar of schedules, without Airflow."""

from __future__ import annotations

from dms_provider.schedules.errors import ScheduleError
from dms_provider.schedules.rules import (
    Cron,
    Daily,
    HourInterval,
    HoursOfDay,
    Monthly,
    Once,
    Rule,
    Weekly,
)
from dms_provider.schedules.schedule import Schedule
from dms_provider.schedules.texts import CronText

__all__ = [
    "Cron",
    "CronText",
    "Daily",
    "HourInterval",
    "HoursOfDay",
    "Monthly",
    "Once",
    "Rule",
    "Schedule",
    "ScheduleError",
    "Weekly",
]
