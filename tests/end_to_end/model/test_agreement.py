"""Real runs are what the model says: random cases, each of which a seed makes again.

``python -m dev.model_check`` plays many more.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.services import Server
from tests.end_to_end.airflow_instance import AirflowInstance
from tests.end_to_end.model.generator import case
from tests.end_to_end.model.player import model_instance, play_cases

SEEDS = range(24)
"""Each pair of policies twice."""


@pytest.fixture(scope="module")
def airflow_of_the_model(postgres_server: Server) -> Iterator[AirflowInstance]:
    """An Airflow for cases."""
    with model_instance(postgres_server) as airflow:
        yield airflow


def test_real_runs_agree_with_the_model(airflow_of_the_model: AirflowInstance) -> None:
    verdicts = play_cases(airflow_of_the_model, [case(seed) for seed in SEEDS])
    differences = [
        "\n".join([verdict.case.describe(), *verdict.differences])
        for verdict in verdicts
        if verdict.differences
    ]
    assert not differences, "\n\n".join(differences)
