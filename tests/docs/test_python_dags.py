"""Every Python DAG in the documents is parsed, stored and run by Airflow, on a real SQLite database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk import DAG

from dms_provider.policies.rules import HOLD_TASK_ID
from tests.docs.markdown import DOCUMENTS, Example, examples
from tests.doubles.ecs import CloudAssistantServer
from tests.doubles.oss import ObjectStorage

DAGS = [example for document in DOCUMENTS for example in examples(document) if example.words == ("dag",)]
TABLES = """
CREATE TABLE flights (origin TEXT, delay INTEGER);
INSERT INTO flights VALUES ('EWR', 150), ('JFK', 70), ('LGA', 10), ('EWR', 5);
CREATE TABLE totals (month TEXT, region TEXT, flights INTEGER);
CREATE TABLE bad_days (day TEXT, worst INTEGER, flights INTEGER);
CREATE TABLE loads (loaded_at TEXT, origin TEXT);
INSERT INTO loads VALUES ('2013-07-10 02:00:00', 'EWR');
"""
WROTE = {
    "refresh_totals": ("SELECT region, flights FROM totals", [("east", 4)]),
    "late_flights": ("SELECT worst, flights FROM bad_days", [(150, 3)]),
    "after_the_load": ("SELECT region, flights FROM totals", [("loads", 1)]),
    "disk_usage": ("SELECT region, flights FROM totals", [("disk", 1)]),
    "checked_flights": ("SELECT region, flights FROM totals", [("checked", 4)]),
    "monthly_totals": ("SELECT region, flights FROM totals", [("all", 4)]),
    "nightly_totals": ("SELECT region, flights FROM totals ORDER BY 1", [("EWR", 2), ("JFK", 1), ("LGA", 1)]),
}
"""What each example must have written."""
UNLOADED = {"export_delays": "origin,delay\r\nEWR,150\r\nJFK,70\r\n"}
"""Where an example writes an object: what must be in it."""


def dag_of(file: Path) -> DAG:
    """Return the one DAG of a file as Airflow finds it there."""
    bag = BundleDagBag(
        dag_folder=file.parent, bundle_path=file.parent, bundle_name="dags-folder", collect_dags=False
    )
    bag.process_file(str(file), only_if_updated=False)  # type: ignore[no-untyped-call]  # Airflow's own
    assert bag.import_errors == {}
    (dag,) = bag.dags.values()
    return dag


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStorage]:
    """An object storage, as the connection ``archive``."""
    with ObjectStorage() as running:
        running.buckets["reports"] = {}
        monkeypatch.setenv("AIRFLOW_CONN_ARCHIVE", json.dumps(running.connection()))
        yield running


@pytest.fixture
def instances(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudAssistantServer]:
    """ECS instances, over the connection ``aliyun``."""
    monkeypatch.setattr("dms_provider.triggers.ecs_remote_command.settling_seconds", lambda: 0.0)
    with CloudAssistantServer(("i-bp1example",)) as running:
        monkeypatch.setenv("AIRFLOW_CONN_ALIYUN", running.connection)
        yield running


@pytest.mark.parametrize("example", DAGS, ids=str)
def test_a_dag_does_what_it_is_there_for(
    example: Example,
    tmp_path: Path,
    airflow_database: Path,
    monkeypatch: pytest.MonkeyPatch,
    storage: ObjectStorage,
    instances: CloudAssistantServer,
) -> None:
    database = tmp_path / "warehouse.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(TABLES)
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(database)}))
    file = airflow_database / "dags" / f"example_{example.line}.py"
    file.write_text(example.text, encoding="utf-8")
    try:
        dag = dag_of(file)
        run = dag.test()
    finally:
        file.unlink()
    states = {task.task_id: str(task.state) for task in run.get_task_instances()}
    assert states == {task: "skipped" if task == HOLD_TASK_ID else "success" for task in dag.task_ids}
    if dag.dag_id in UNLOADED:
        (unloaded,) = storage.buckets["reports"].values()
        assert unloaded.data.decode() == UNLOADED[dag.dag_id]
        return
    query, rows = WROTE[dag.dag_id]
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute(query).fetchall() == rows
