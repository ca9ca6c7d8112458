from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tests.dag_factory.cli.conftest import FLOW, Outcome

Command = Callable[..., Outcome]


def test_from_is_inclusive_and_to_is_not(command: Command, spec: Path) -> None:
    span = ["--from", "2023-08-03T02:55", "--to", "2023-08-05T02:55:00+08:00"]
    assert command("schedule", spec, *span, "--output", "json").json == [
        "2023-08-03T02:55:00+08:00",
        "2023-08-04T02:55:00+08:00",
    ]


def test_text_has_the_cron_expressions(command: Command, spec: Path) -> None:
    outcome = command("schedule", spec, "--from", "2023-08-03", "--to", "2023-08-04")
    assert outcome.status == 0
    assert outcome.out.splitlines()[1:] == [
        "cron: 55 2 * * *",
        "Quartz: 0 55 2 * * ?",
        "2023-08-03T02:55:00+08:00",
    ]


@pytest.mark.parametrize(("options", "count"), [(["--next", "3"], 3), ([], 10)])
def test_the_next_times(command: Command, spec: Path, options: list[str], count: int) -> None:
    times = command("schedule", spec, *options, "--output", "json").json
    assert len(times) == count
    assert datetime.fromisoformat(times[0]) > datetime.now().astimezone()
    assert times == sorted(times)


def test_once_in_the_past_has_no_next_time(command: Command, spec: Path) -> None:
    spec.write_text(
        FLOW.replace("  effective: {to: 2999-12-31}\n  day: {at: 02:55}\n", "  once: 2001-02-03 04:05\n")
    )
    outcome = command("schedule", spec, "--output", "json")
    assert (outcome.status, outcome.json) == (0, [])
    assert "past-schedule" in outcome.err


def test_a_flow_without_schedule(command: Command, spec: Path) -> None:
    spec.write_text(FLOW.replace("schedule:\n  effective: {to: 2999-12-31}\n  day: {at: 02:55}\n", ""))
    outcome = command("schedule", spec)
    assert outcome.status == 1
    assert "no schedule" in outcome.err


def test_a_bad_spec_is_told(command: Command, spec: Path) -> None:
    spec.write_text(FLOW.replace("02:55", "25:55"))
    outcome = command("schedule", spec, "--output", "json")
    assert outcome.status == 1
    assert outcome.json == command("validate", spec, "--output", "json").json
    assert outcome.err.startswith(f"{spec}:6:13: wrong-value ")
    assert command("schedule", spec).out == ""


@pytest.mark.parametrize(
    "options",
    ["--next 0", "--next x", "--from 2023-08-03", "--from a --to b", "--next 1 --to 2023-08-03"],
)
def test_wrong_usage(command: Command, spec: Path, options: str) -> None:
    outcome = command("schedule", spec, *options.split())
    assert (outcome.status, outcome.out) == (2, "")
