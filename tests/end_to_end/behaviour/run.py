"""Scenarios run on an Airflow, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.end_to_end.behaviour.instance import ScenarioAirflow
from tests.end_to_end.behaviour.scenario import Scenario, Seen
from tests.end_to_end.behaviour.stage import Stage


def run_scenarios(
    airflow: ScenarioAirflow, scenarios: Sequence[Scenario], *, at_once: int = 10, logs: Path | None = None
) -> list[Seen]:
    """Run scenarios to their ends.

    :param airflow: made by :func:`tests.end_to_end.behaviour.instance.behaviour_instance`
    :param scenarios: each with a name of its own
    :param at_once: how many go on at the same time
    :param logs: folder for what the tasks of each scenario have logged; default: a temporary one
    :return: what was seen, in the order of the scenarios
    """
    return Stage(airflow, scenarios, at_once=at_once, logs=logs).perform()
