"""Airflow's tables in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.services import Server
from tests.dms_provider.policies.scheduler.metadata import metadata_database
from tests.dms_provider.policies.scheduler.stage import Stage


@pytest.fixture(scope="module")
def database(postgres_server: Server) -> Iterator[str]:
    """Name of a database with Airflow's tables, which this process takes for its Airflow's."""
    with metadata_database(postgres_server) as name:
        yield name


@pytest.fixture
def stage(database: str, postgres_server: Server) -> Iterator[Stage]:
    """A scheduler with flows of its own."""
    with Stage(postgres_server, database) as stage:
        yield stage
