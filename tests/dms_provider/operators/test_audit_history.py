"""Earlier values in a real Airflow: its database, its execution API, runs in any order."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.models.xcom import XComModel
from airflow.sdk import DAG
from airflow.utils.session import create_session

FLOW = """
from airflow.sdk import DAG
from dms_provider.audit.rules import AuditRule
from dms_provider.operators.audit import AuditOperator

with DAG("audited_history", schedule=None):
    AuditOperator(
        task_id="quality",
        conn_id="audited",
        table="t",
        rules=[AuditRule("within 20% of last 3", metric="row_count", name="rows")],
        report={folder!r},
    )
"""


@pytest.fixture
def dag(airflow_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DAG]:
    """An audit of a table of SQLite, as Airflow finds it in its folder."""
    with closing(sqlite3.connect(tmp_path / "t.db")) as connection:
        connection.execute("CREATE TABLE t (n integer)")
    uri = {"conn_type": "sqlite", "host": str(tmp_path / "t.db")}
    monkeypatch.setenv("AIRFLOW_CONN_AUDITED", json.dumps(uri))
    path = airflow_database / "dags" / "audited_history.py"
    path.write_text(FLOW.format(folder=str(tmp_path / "reports")), encoding="utf-8")
    bag = BundleDagBag(
        dag_folder=path.parent, bundle_path=path.parent, bundle_name="dags-folder", collect_dags=False
    )
    bag.process_file(str(path), only_if_updated=False)  # type: ignore[no-untyped-call]  # Airflow's own
    yield bag.dags["audited_history"]
    path.unlink()


def xcoms(run: Any) -> dict[str, Any]:
    """Return what a run has left, by key."""
    with create_session() as session:
        found = session.scalars(XComModel.get_many(run_id=run.run_id, dag_ids=run.dag_id)).all()
        return {xcom.key: XComModel.deserialize_value(xcom) for xcom in found}


def test_values_of_earlier_business_times(dag: DAG, tmp_path: Path) -> None:
    def audit(day: int, rows: int, **conf: Any) -> tuple[str, Any]:
        """Run the flow with so many rows; return the state, and the bound or the note."""
        with closing(sqlite3.connect(tmp_path / "t.db")) as connection, connection:
            connection.execute("DELETE FROM t")
            connection.executemany("INSERT INTO t VALUES (?)", [(row,) for row in range(rows)])
        moment = datetime(2023, 8, day, 3, tzinfo=timezone.utc)
        run = dag.test(logical_date=moment, run_after=moment, run_conf={"dms": conf} if conf else None)
        left = xcoms(run)
        if conf:
            assert left.keys() <= {"_link_AuditReportLink"}
            return str(run.state), None
        (rule,) = left["dms_audit"]["rules"]
        assert left["_link_AuditReportLink"] == f"file://{left['dms_audit']['report']}"
        assert Path(left["dms_audit"]["report"]).is_file()
        return str(run.state), rule["note"] if "not judged" in str(rule["note"]) else rule["bound"]

    too_few = "earlier value{} yet, and the rule compares with 3: not judged"
    assert audit(1, 100) == ("success", f"no {too_few.format('')}")
    assert audit(2, 110) == ("success", f"1 {too_few.format('')}")
    assert audit(4, 90) == ("success", f"2 {too_few.format('s')}")
    assert audit(5, 999, dry_run=True) == ("success", None)
    assert audit(6, 100) == ("success", "within 20% of 100, the mean of the last 3")
    assert audit(3, 410) == ("success", f"2 {too_few.format('s')}"), "a backfill sees what is before it"
    assert audit(7, 100) == ("failed", "within 20% of 200, the mean of the last 3"), "and is seen later"
    assert audit(3, 110)[0] == "success", "a rerun replaces its own value"
    assert audit(7, 100) == ("success", "within 20% of 100, the mean of the last 3")
