"""One Airflow with a clock of its own, whose DAGs are the flow specs in a folder."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.services import Server
from tests.end_to_end.schedules.moved_airflow import MovedAirflow
from tests.end_to_end.schedules.story import TABLE, moment


@pytest.fixture(scope="package")
def written_down(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database in which nodes write down their runs."""
    path = tmp_path_factory.mktemp("schedules") / "runs.db"
    with sqlite3.connect(path) as connection:
        connection.execute(TABLE)
    return path


@pytest.fixture(scope="package")
def moved_airflow(postgres_server: Server, written_down: Path) -> Iterator[MovedAirflow]:
    """An Airflow in the spring of 2025, with a flow bundle; connection ``warehouse``."""
    bundle = {"name": "flows", "classpath": "dag_factory.FlowBundle", "kwargs": {"refresh_interval": 1}}
    instance = MovedAirflow(postgres_server, start=moment("2025-03-01"), bundles=[bundle])
    connection = {"conn_type": "sqlite", "host": str(written_down)}
    instance.environment["AIRFLOW_CONN_WAREHOUSE"] = json.dumps(connection)
    with instance:
        yield instance
