"""Rules as plain values, in the words of flow-spec's *schedule*."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

from dms_provider.schedules.errors import ScheduleError
from dms_provider.schedules.rules import Cron, Daily, HourInterval, HoursOfDay, Monthly, Once, Rule, Weekly


def encode_rule(rule: Rule) -> dict[str, Any]:
    """Return a mapping with one key, the kind of the rule."""
    match rule:
        case HourInterval():
            return {
                "hour": {"start": rule.start.isoformat(), "every": rule.every, "end": rule.end.isoformat()},
            }
        case HoursOfDay():
            return {"hour": {"at": list(rule.hours)}}
        case Daily():
            return {"day": {"at": rule.at.isoformat()}}
        case Weekly():
            return {"week": {"days": list(rule.days), "at": rule.at.isoformat()}}
        case Monthly():
            return {"month": {"days": list(rule.days), "at": rule.at.isoformat()}}
        case Once():
            return {"once": rule.at.isoformat()}
        case Cron():
            return {"cron": rule.text}


def decode_rule(data: Mapping[str, Any]) -> Rule:
    """Return the rule that :func:`encode_rule` made this of.

    :param data: the kind of the rule among other keys
    :raises ScheduleError: if there is no kind of rule in it
    """
    match data:
        case {"hour": {"at": hours}}:
            return HoursOfDay(tuple(hours))
        case {"hour": {"start": start, "every": every, "end": end}}:
            return HourInterval(time.fromisoformat(start), every, time.fromisoformat(end))
        case {"day": {"at": at}}:
            return Daily(time.fromisoformat(at))
        case {"week": {"days": days, "at": at}}:
            return Weekly(tuple(days), time.fromisoformat(at))
        case {"month": {"days": days, "at": at}}:
            return Monthly(tuple(days), time.fromisoformat(at))
        case {"once": at}:
            return Once(datetime.fromisoformat(at))
        case {"cron": text}:
            return Cron(text)
    raise ScheduleError(f"no rule among the keys {', '.join(sorted(data))}", "rule")
