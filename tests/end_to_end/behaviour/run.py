"""Scenarios run on an Airflow, many at once."""

from __future__ import annotations

from collections.abc import Sequence

from tests.end_to_end.airflow_instance import AirflowInstance
from tests.end_to_end.behaviour.scenario import Scenario, Seen


def run_scenarios(
    airflow: AirflowInstance, scenarios: Sequence[Scenario], *, at_once: int = 10
) -> list[Seen]:
    """Run scenarios to their ends.

    :param airflow: made by :func:`tests.end_to_end.behaviour.instance.behaviour_instance`
    :param scenarios: each with a name of its own
    :param at_once: how many go on at the same time
    :return: what was seen, in the order of the scenarios
    """
    from tests.end_to_end.behaviour.stage import Stage

    return Stage(airflow, scenarios, at_once=at_once).perform()
