"""One Airflow whose DAGs are the flow specs in a folder."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.services import Server
from tests.dag_factory.discovery.repository import Repository
from tests.dms_provider.databases import Database
from tests.end_to_end.airflow_instance import COMPONENTS, AirflowInstance


def done(warehouse: Path, flow: str) -> list[str]:
    """Return the nodes of a flow that have written into the table ``done``, in order."""
    with sqlite3.connect(warehouse) as connection:
        rows = connection.execute("SELECT node FROM done WHERE flow = ? ORDER BY rowid", (flow,))
        return [node for (node,) in rows]


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with an empty table ``done``."""
    path = tmp_path_factory.mktemp("warehouse") / "warehouse.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE done (flow TEXT, node TEXT, day TEXT)")
    return path


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A Git repository without flows."""
    return Repository(tmp_path_factory.mktemp("git") / "repository")


@pytest.fixture(scope="package")
def airflow(postgres_server: Server, warehouse: Path, repository: Repository) -> Iterator[AirflowInstance]:
    """An Airflow with flow bundles in front of its DAGs folder and a repository; connection ``warehouse``."""
    git = {
        "classpath": "airflow.providers.git.bundles.git.GitDagBundle",
        "kwargs": {"repo_url": str(repository.folder), "tracking_ref": "main"},
    }
    bundles = [
        {"name": name, "classpath": "dag_factory.FlowBundle", "kwargs": {"refresh_interval": 1, **behind}}
        for name, behind in {"flows": {}, "git_flows": {"bundle": git}}.items()
    ]
    instance = AirflowInstance(postgres_server, bundles=bundles)
    connection = {"conn_type": "sqlite", "host": str(warehouse)}
    instance.environment["AIRFLOW_CONN_WAREHOUSE"] = json.dumps(connection)
    with instance:
        yield instance


@pytest.fixture(scope="session")
def databases(postgres_server: Server, mariadb_server: Server) -> dict[str, Database]:
    """A PostgreSQL and a MariaDB, by the names of their connections in ``waiting_airflow``."""
    servers = {"postgres": postgres_server, "mariadb": mariadb_server}
    return {kind: Database(kind, kind, server, server.airflow_uri) for kind, server in servers.items()}


@pytest.fixture(scope="package")
def waiting_airflow(postgres_server: Server, databases: dict[str, Database]) -> Iterator[AirflowInstance]:
    """An Airflow with a triggerer and a flow bundle; connections ``postgres`` and ``mariadb``."""
    bundle = {"name": "flows", "classpath": "dag_factory.FlowBundle", "kwargs": {"refresh_interval": 1}}
    instance = AirflowInstance(postgres_server, bundles=[bundle], components=(*COMPONENTS, "triggerer"))
    for database in databases.values():
        instance.environment[f"AIRFLOW_CONN_{database.conn_id.upper()}"] = database.uri
    with instance:
        yield instance
