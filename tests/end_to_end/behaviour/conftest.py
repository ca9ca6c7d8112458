"""One Airflow on which all scenarios have been played before the first test looks at one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.services import Server
from tests.conftest import REPORTS
from tests.end_to_end.behaviour.cells import truth_table
from tests.end_to_end.behaviour.instance import ScenarioAirflow, behaviour_instance
from tests.end_to_end.behaviour.load import load_scenarios
from tests.end_to_end.behaviour.run import run_scenarios
from tests.end_to_end.behaviour.scenario import Seen


@pytest.fixture(scope="package")
def behaviour_airflow(postgres_server: Server) -> Iterator[ScenarioAirflow]:
    """An Airflow for scenarios; with two schedulers, since what decides must hold between them."""
    with behaviour_instance(postgres_server) as airflow:
        airflow.launch("scheduler", "scheduler-2")
        yield airflow


@pytest.fixture(scope="package")
def seen_of_policies(behaviour_airflow: ScenarioAirflow, pytestconfig: pytest.Config) -> dict[str, Seen]:
    """What was seen of each scenario of the policies, by its name."""
    cache = getattr(pytestconfig, "cache", None)
    logs = Path(cache.mkdir("behaviour")) if cache else None
    all_seen = run_scenarios(behaviour_airflow, load_scenarios(), logs=logs)
    pytestconfig.stash[REPORTS]["policies: what was seen in each cell of the truth table"] = list(
        truth_table(all_seen)
    )
    return {seen.scenario.name: seen for seen in all_seen}
