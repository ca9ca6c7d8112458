"""Plain values become a flow, or all that is wrong with them."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from dag_factory.diagnostics import Finding, Path
from dag_factory.spec.flow import Flow


def parse_flow(values: dict[str, Any], *, calendar: bool = True) -> Flow | list[Finding]:
    """Return the flow that a spec's values describe, or everything that is wrong with them.

    :param values: of a :class:`dag_factory.source.Document`
    :param calendar: also ask the calendar about the schedule
    """
    try:
        flow = Flow.model_validate(values)
    except ValidationError:
        from dag_factory.spec.partly import parse_partly

        return parse_partly(values).findings
    return (calendar and calendar_findings(flow)) or flow


def calendar_findings(flow: Flow) -> list[Finding]:
    """Return what the calendar refuses of a flow's schedule, for example a cron field out of range."""
    schedule = flow.schedule
    if schedule is None:
        return []
    from dag_factory.spec.schedule import Schedule
    from dms_provider.schedules import ScheduleError

    try:
        schedule.to_schedule()
    except ScheduleError as error:
        below: Path = (error.field,)
        if error.field not in Schedule.model_fields:
            within = getattr(getattr(schedule, schedule.kind), error.field, None)
            below = (schedule.kind,) if within is None else (schedule.kind, error.field)
        return [Finding(("schedule", *below), "wrong-schedule", error.message)]
    return []
