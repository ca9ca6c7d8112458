"""``schedule``: the run times of a flow."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import islice

from dag_factory.cli.commands import GOOD, PROBLEM, UsageError
from dag_factory.cli.one_spec import read_spec, read_time
from dag_factory.cli.output import note, print_json, print_lines
from dms_provider.schedules import Schedule

DEFAULT_COUNT = 10


def run(arguments: argparse.Namespace) -> int:
    """Print the run times."""
    if arguments.count is not None and (arguments.start or arguments.end):
        raise UsageError("give --next, or --from and --to, not both")
    if bool(arguments.start) != bool(arguments.end):
        raise UsageError("--from and --to belong together")
    validated = read_spec(arguments)
    if validated.flow.schedule is None:
        note(f"{arguments.file}: the flow has no schedule: it runs when somebody starts it")
        if arguments.output == "json":
            print_json([])
        return PROBLEM
    schedule = validated.flow.schedule.to_schedule()
    if arguments.start:
        zone = validated.flow.timezone
        times = schedule.slots(
            read_time("--from", arguments.start, zone), read_time("--to", arguments.end, zone)
        )
    else:
        times = islice(_coming(schedule), arguments.count or DEFAULT_COUNT)
    shown = [time.isoformat() for time in times]
    if not schedule.enabled:
        note("the schedule is not enabled: nothing runs at these times")
    if arguments.output == "json":
        print_json(shown)
    else:
        print_lines([*_header(schedule), *shown])
    return GOOD


def _coming(schedule: Schedule) -> Iterator[datetime]:
    slot = schedule.next_slot(datetime.now(timezone.utc))
    while slot is not None:
        yield slot
        slot = schedule.next_slot(slot)


def _header(schedule: Schedule) -> Iterator[str]:
    yield schedule.describe()
    cron = schedule.cron
    if cron is not None:
        yield f"cron: {cron.five_field or '(5 fields cannot say it)'}"
        yield f"Quartz: {cron.quartz or '(Quartz cannot say it)'}"
