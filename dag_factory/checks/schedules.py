"""Schedules that can be read, and will never run anything.

Source: flow-spec, *schedule* (``once``: "a time already past never runs, and ``validate`` warns").
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from dag_factory.diagnostics import Finding, Path

if TYPE_CHECKING:
    from dag_factory.spec.flow import Flow


def check_schedule(flow: Flow) -> Iterator[Finding]:
    """Yield a warning for a schedule that has no time left."""
    schedule = flow.schedule
    if schedule is None:
        return
    path: Path
    if schedule.once is not None:
        path = ("schedule", "once")
    elif schedule.effective.to is not None:
        path = ("schedule", "effective", "to")
    elif schedule.cron is not None:
        path = ("schedule", "cron")
    else:
        return
    from dms_provider.schedules import ScheduleError

    try:
        has_ended = schedule.to_schedule().has_ended(datetime.now(timezone.utc))
    except ScheduleError:
        return
    if has_ended:
        yield Finding(
            path,
            "past-schedule",
            f"no time of this schedule is still to come ({schedule.timezone}): the flow never runs by itself",
            severity="warning",
        )
