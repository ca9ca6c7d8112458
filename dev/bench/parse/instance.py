"""An Airflow with PostgreSQL as its database and nothing running, for one measurement."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dev.services import PostgresServer, Server


def environment(home: Path, dags: Path, *, bundle: bool, database: Server | None = None) -> dict[str, str]:
    """Return the environment of Airflow's commands.

    :param home: AIRFLOW_HOME
    :param dags: the folder of DAGs or specs
    :param bundle: read ``dags`` as flow specs through the bundle, not as Python
    :param database: where Airflow keeps its metadata; default: SQLite in ``home``
    """
    kwargs: dict[str, Any] = {"path": str(dags)}
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    config: dict[str, Any] = {"name": "bench", "classpath": local, "kwargs": kwargs}
    if bundle:
        config = {
            "name": "bench",
            "classpath": "dag_factory.discovery.bundle.FlowBundle",
            "kwargs": {"bundle": {"classpath": local, "kwargs": kwargs}},
        }
    variables = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    # An installed package is compiled once, not at each start.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    variables |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "1200",
        "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "1200",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([config]),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONPATH": os.getcwd(),
    }
    if database is not None:
        login = f"{database.user}:{database.password}@{database.host}:{database.port}/{database.database}"
        variables["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"postgresql+psycopg2://{login}"
    return variables


@contextmanager
def migrated(home: Path, dags: Path, *, bundle: bool) -> Iterator[tuple[Server, Mapping[str, str]]]:
    """Start a PostgreSQL and make Airflow's tables in it."""
    with PostgresServer() as database:
        variables = environment(home, dags, bundle=bundle, database=database)
        subprocess.run([*airflow(), "db", "migrate"], env=variables, check=True, stdout=subprocess.DEVNULL)
        yield database, variables


def airflow() -> list[str]:
    """Return the command that runs Airflow with this Python."""
    return [sys.executable, "-m", "airflow"]
