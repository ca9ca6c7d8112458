"""Real runs are what the model says: random cases, each of which a seed makes again.

``python -m dev.model_check`` plays many more.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.services import Server
from tests.end_to_end.airflow_instance import AirflowInstance
from tests.end_to_end.model.generator import quick_cases
from tests.end_to_end.model.player import model_instance, play_cases

SEEDS = range(96)
OF_EACH_PAIR = 3
"""Cases that are played of each pair of policies: those of the seeds with the fewest tries of nodes."""


@pytest.fixture(scope="module")
def airflow_of_the_model(postgres_server: Server) -> Iterator[AirflowInstance]:
    """An Airflow for cases."""
    with model_instance(postgres_server) as airflow:
        yield airflow


def test_real_runs_agree_with_the_model(airflow_of_the_model: AirflowInstance) -> None:
    verdicts = play_cases(airflow_of_the_model, quick_cases(SEEDS, OF_EACH_PAIR), at_once=12)
    differences = [
        "\n".join([verdict.case.describe(), *verdict.differences])
        for verdict in verdicts
        if verdict.differences
    ]
    assert not differences, "\n\n".join(differences)
