"""When a flow runs by itself.

Source: flow-spec, *schedule*; DMS reference 5.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from dag_factory.diagnostics import closest
from dag_factory.spec.lazily import Lazily
from dag_factory.spec.model import Contradiction, Maybe, RelatedKeys, SpecModel, one_of, refusal
from dag_factory.spec.scalars import (
    Boolean,
    Day,
    Duration,
    Moment,
    Something,
    TimeOfDay,
    TimeZone,
    WholeNumber,
    found_words,
    need_text,
)

if TYPE_CHECKING:
    from dms_provider.schedules import Schedule as Calendar

WEEK_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
KINDS = ("hour", "day", "week", "month", "once", "cron")

WeekDay = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _month_day(value: Any) -> Any:
    if value == "last" or (isinstance(value, int) and 1 <= value <= 31):
        return value
    text = need_text(value, "a day of the month")
    if re.fullmatch(r"0?[1-9]|[12]\d|3[01]", text):
        return int(text)
    raise refusal(
        f"expected a day from 1 to 31, or 'last', found {found_words(text)}",
        suggestion=closest(text, ["last"]),
    )


MonthDay = Annotated[
    Any,
    PlainValidator(_month_day),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 31},
                {"type": "string", "pattern": r"^(last|0?[1-9]|[12]\d|3[01])$"},
            ]
        }
    ),
]
HourOfDay = Annotated[
    int,
    WholeNumber,
    Field(ge=0, le=23),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 23},
                {"type": "string", "pattern": r"^(0?\d|1\d|2[0-3])$"},
            ]
        }
    ),
]
EveryHours = Annotated[
    int,
    WholeNumber,
    Field(ge=1, le=23),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 23},
                {"type": "string", "pattern": r"^(0?[1-9]|1\d|2[0-3])$"},
            ]
        }
    ),
]


def _lazily(name: str) -> Lazily:
    return Lazily(__name__, name)


class Effective(SpecModel):
    """The days on which the schedule holds."""

    from_: Maybe[Day] = Field(
        None, alias="from", description="First day, inclusive.", examples=["2023-08-03"]
    )
    to: Maybe[Day] = Field(None, description="Last day, inclusive.", examples=["2023-08-31"])


class Hour(RelatedKeys):
    """Every so many hours, or at certain hours."""

    model_config = one_of(("start", "every", "end"), ("at",))

    start: Maybe[TimeOfDay] = Field(None, description="First time of each day.", examples=["00:00"])
    every: Maybe[EveryHours] = Field(None, description="Hours between two runs.", examples=[6])
    end: Maybe[TimeOfDay] = Field(
        None, description="Nothing runs after this time of a day.", examples=["20:59"]
    )
    at: Maybe[Annotated[tuple[HourOfDay, ...], Field(min_length=1)]] = Field(
        None, description="The hours at which the flow runs.", examples=[[0, 5]]
    )

    @classmethod
    def contradictions(cls, given: dict[str, Any]) -> Iterator[Contradiction]:
        interval = [key for key in ("start", "every", "end") if key in given]
        if "at" in given and interval:
            yield Contradiction(
                f"'at' and '{interval[0]}' exclude each other; give 'at' alone, or start, every and end",
                path=(interval[0],),
                code="wrong-schedule",
                key=True,
            )
        elif "at" not in given:
            for key in ("start", "every", "end"):
                if key not in given:
                    yield Contradiction(
                        f"key '{key}' is missing; give start, every and end, or 'at' alone",
                        code="missing-key",
                    )


class DayTime(SpecModel):
    """Every day."""

    at: TimeOfDay = Field(description="Time of day.", examples=["02:55"])


class Week(SpecModel):
    """On certain days of the week."""

    days: tuple[WeekDay, ...] = Field(
        min_length=1, description="Days of the week.", examples=[["mon", "thu"]]
    )
    at: TimeOfDay = Field(description="Time of day.", examples=["00:00"])


class Month(SpecModel):
    """On certain days of the month; a month without such a day is passed over."""

    days: tuple[MonthDay, ...] = Field(
        min_length=1, description="Days of the month; `last` is its last day.", examples=[[1, 15, "last"]]
    )
    at: TimeOfDay = Field(description="Time of day.", examples=["01:00"])


class Schedule(RelatedKeys):
    """When the flow runs by itself: one of hour, day, week, month, once and cron."""

    model_config = one_of(*((kind,) for kind in KINDS))

    enabled: Boolean = Field(True, description="Whether the schedule starts runs.")
    timezone: TimeZone = Field(
        "Asia/Shanghai", description="The flow's time zone.", examples=["Asia/Shanghai"]
    )
    effective: Annotated[Effective, _lazily("Effective")] = Field(
        Effective.model_construct(), description="First and last day of the schedule; default for ever."
    )
    start_late: Duration = Field(
        timedelta(hours=1), description="A slot missed by no more than this still runs, the newest only."
    )
    hour: Annotated[Hour | None, _lazily("Hour")] = Field(
        None, description="At an interval of hours, or at certain hours."
    )
    day: Annotated[DayTime | None, _lazily("DayTime")] = Field(None, description="Every day.")
    week: Annotated[Week | None, _lazily("Week")] = Field(None, description="On certain days of the week.")
    month: Annotated[Month | None, _lazily("Month")] = Field(
        None, description="On certain days of the month."
    )
    once: Maybe[Moment] = Field(
        None, description="Once, at this date and time of the flow's zone.", examples=["2026-12-01 02:00"]
    )
    cron: Maybe[Something] = Field(
        None, description="A cron expression of 5 fields, or Quartz's 6 or 7.", examples=["0 55 2 * * ?"]
    )

    @classmethod
    def contradictions(cls, given: dict[str, Any]) -> Iterator[Contradiction]:
        kinds = [kind for kind in KINDS if kind in given]
        if not kinds:
            yield Contradiction(
                "the schedule says no time; give one of hour, day, week, month, once and cron",
                code="wrong-schedule",
            )
        for kind in kinds[1:]:
            yield Contradiction(
                f"a schedule has one kind of time, and '{kinds[0]}' is given too; remove one of them",
                path=(kind,),
                code="wrong-schedule",
                key=True,
            )

    @property
    def kind(self) -> str:
        """The one key of :data:`KINDS` that is given."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    def to_schedule(self) -> Calendar:
        """Return the calendar that this schedule describes.

        :raises dms_provider.schedules.ScheduleError: there is no such calendar, for example a cron field
            out of range
        """
        from dms_provider import schedules

        rule: Any
        if self.day is not None:
            rule = schedules.Daily(self.day.at)
        elif self.week is not None:
            rule = schedules.Weekly(tuple(WEEK_DAYS.index(day) for day in self.week.days), self.week.at)
        elif self.month is not None:
            rule = schedules.Monthly(self.month.days, self.month.at)
        elif self.once is not None:
            rule = schedules.Once(self.once)
        elif self.cron is not None:
            rule = schedules.Cron(self.cron)
        else:
            rule = self._hour_rule()
        return schedules.Schedule(
            rule,
            timezone=self.timezone,
            effective_from=self.effective.from_,
            effective_to=self.effective.to,
            start_late=self.start_late,
            enabled=self.enabled,
        )

    def _hour_rule(self) -> Any:
        from dms_provider import schedules

        hour = self.hour
        assert hour is not None
        if hour.at is not None:
            return schedules.HoursOfDay(hour.at)
        assert hour.start is not None
        assert hour.every is not None
        assert hour.end is not None
        return schedules.HourInterval(hour.start, hour.every, hour.end)
