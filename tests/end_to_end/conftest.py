"""One Airflow whose DAGs are the flow specs in a folder."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.services import Server
from tests.end_to_end.airflow_instance import AirflowInstance


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with an empty table ``done``."""
    path = tmp_path_factory.mktemp("warehouse") / "warehouse.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE done (flow TEXT, node TEXT, day TEXT)")
    return path


@pytest.fixture(scope="session")
def airflow(postgres_server: Server, warehouse: Path) -> Iterator[AirflowInstance]:
    """An Airflow with a flow bundle in front of its DAGs folder, and the connection ``warehouse``."""
    bundles = [
        {"name": "flows", "classpath": "dag_factory.FlowBundle", "kwargs": {"refresh_interval": 1}},
    ]
    instance = AirflowInstance(postgres_server, bundles=bundles)
    connection = {"conn_type": "sqlite", "host": str(warehouse)}
    instance.environment["AIRFLOW_CONN_WAREHOUSE"] = json.dumps(connection)
    with instance:
        yield instance
