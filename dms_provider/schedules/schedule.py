"""A flow's schedule: a rule on the wall clock of a zone, and the days on which it is in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from dms_provider.schedules import encoding, wall_clock
from dms_provider.schedules.errors import ScheduleError
from dms_provider.schedules.recurrence import WallTimes
from dms_provider.schedules.rules import Rule
from dms_provider.schedules.texts import CronText, cron_text, describe_rule

DEFAULT_TIMEZONE = "Asia/Shanghai"
DEFAULT_START_LATE = timedelta(hours=1)


@dataclass(frozen=True)
class Schedule:
    """When a flow runs (flow-spec, *schedule*).

    Its slots are the instants at which the clocks of the zone come to a time of the rule. At a clock change
    each wall-clock time makes one slot, its first coming; a time that does not exist makes one when the clock
    has moved on; times that fall on the same instant make one slot together.

    :param rule: which times on the wall clock
    :param timezone: IANA name of the zone
    :param effective_from: first day, in the zone, on which the rule holds; ``None`` is for ever
    :param effective_to: last such day; ``None`` is for ever
    :param start_late: a slot missed by no more than this still runs
    :param enabled: whether runs start by themselves
    :raises ScheduleError: if one of these cannot be
    """

    rule: Rule
    timezone: str = DEFAULT_TIMEZONE
    effective_from: date | None = None
    effective_to: date | None = None
    start_late: timedelta = DEFAULT_START_LATE
    enabled: bool = True

    def __post_init__(self) -> None:
        wall_clock.zone(self.timezone)
        if self.effective_from and self.effective_to and self.effective_to < self.effective_from:
            raise ScheduleError(
                f"the last effective day {self.effective_to} is before the first, {self.effective_from}",
                "effective",
            )
        if self.start_late < timedelta(0):
            raise ScheduleError(f"start_late is {self.start_late}; it cannot be negative", "start_late")

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone whose wall clock counts."""
        return wall_clock.zone(self.timezone)

    @cached_property
    def _wall_times(self) -> WallTimes:
        return self.rule.wall_times

    def slots(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Walk the slots of a span of time, in order.

        :param start: aware, inclusive
        :param end: aware, exclusive
        :return: aware times in the zone
        """
        end = wall_clock.utc(end)
        slot = self.next_slot(start, inclusive=True)
        while slot is not None and slot < end:
            yield slot
            slot = self.next_slot(slot)

    def next_slot(self, after: datetime, inclusive: bool = False) -> datetime | None:
        """Return the first slot after a moment.

        :param after: aware
        :param inclusive: whether a slot at this very moment counts
        :return: aware, in the zone; ``None`` if there is no further slot
        """
        after = wall_clock.utc(after)
        wall = (
            wall_clock.first_wall(after, self.zone) if inclusive else wall_clock.wall_after(after, self.zone)
        )
        if self.effective_from is not None:
            wall = max(wall, datetime.combine(self.effective_from, time.min))
        found = self._wall_times.at_or_after(wall)
        if found is None or (self.effective_to is not None and found.date() > self.effective_to):
            return None
        return wall_clock.instant(found, self.zone)

    def latest_slot(self, until: datetime) -> datetime | None:
        """Return the last slot up to a moment.

        :param until: aware, inclusive
        :return: aware, in the zone; ``None`` if there is no earlier slot
        """
        wall = wall_clock.last_wall(wall_clock.utc(until), self.zone)
        if self.effective_to is not None:
            wall = min(wall, datetime.combine(self.effective_to, time.max))
        found = self._wall_times.at_or_before(wall)
        if found is None or (self.effective_from is not None and found.date() < self.effective_from):
            return None
        return wall_clock.instant(found, self.zone)

    def has_ended(self, now: datetime) -> bool:
        """Return whether no slot is left, such as for a schedule of one time that is past.

        :param now: aware
        """
        return self.next_slot(now) is None

    @property
    def cron(self) -> CronText | None:
        """The rule as cron texts, read on the wall clock of the zone; ``None`` if no cron text can say it."""
        return cron_text(self.rule)

    @property
    def summary(self) -> str:
        """The rule and its zone in a few words."""
        text = f"{describe_rule(self.rule)} ({self.timezone})"
        return text if self.enabled else f"off: {text}"

    def describe(self) -> str:
        """Return one line for people: the rule, the zone, the days on which it holds."""
        text = self.summary
        if self.effective_from is not None:
            text += f" from {self.effective_from}"
        if self.effective_to is not None:
            text += f" to {self.effective_to}"
        return text

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values; :meth:`from_json` reads them."""
        data: dict[str, Any] = encoding.encode_rule(self.rule)
        data["timezone"] = self.timezone
        data["start_late"] = self.start_late.total_seconds()
        if self.effective_from is not None:
            data["from"] = self.effective_from.isoformat()
        if self.effective_to is not None:
            data["to"] = self.effective_to.isoformat()
        if not self.enabled:
            data["enabled"] = False
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schedule:
        """Return the schedule that :meth:`to_json` made these values of.

        :raises ScheduleError: if they are no schedule
        """
        return cls(
            rule=encoding.decode_rule(data),
            timezone=data["timezone"],
            effective_from=date.fromisoformat(data["from"]) if "from" in data else None,
            effective_to=date.fromisoformat(data["to"]) if "to" in data else None,
            start_late=timedelta(seconds=data["start_late"]),
            enabled=data.get("enabled", True),
        )
