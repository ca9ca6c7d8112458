"""``airflow dms ...`` on a real Airflow: its scheduler runs, skips, restores and stops what is asked for."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.end_to_end.airflow_instance import PATIENCE, AirflowInstance
from tests.end_to_end.conftest import done

REPORT = """\
version: 1
owner: alice
nodes:
  load:
    type: single_instance_sql
    database: warehouse
    sql: INSERT INTO done VALUES ('${flow_id}', '${node_id}', '${bizdate}')
  never:
    type: conditional_branch
    after: [load]
    condition: 1 == 2
  not_wanted:
    type: single_instance_sql
    after: [never]
    database: warehouse
    sql: INSERT INTO done VALUES ('${flow_id}', '${node_id}', '${bizdate}')
  gate:
    type: single_instance_sql
    after: [load]
    database: warehouse
    sql: SELECT * FROM gate_of_report
  last:
    type: single_instance_sql
    after: [gate]
    database: warehouse
    sql: INSERT INTO done VALUES ('${flow_id}', '${node_id}', '${bizdate}')
"""
LONG = """\
version: 1
owner: alice
nodes:
  work:
    type: single_instance_sql
    database: warehouse
    sql: |
      WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n
  last:
    type: single_instance_sql
    after: [work]
    database: warehouse
    sql: INSERT INTO done VALUES ('${flow_id}', '${node_id}', '${bizdate}')
"""
OFTEN = """\
version: 1
owner: alice
concurrency: ignore
schedule:
  cron: 0/10 * * * * ?
nodes:
  load:
    type: single_instance_sql
    database: warehouse
    sql: INSERT INTO done VALUES ('${flow_id}', '${node_id}', '${bizdate}')
"""
SLOT_SECONDS = 10


class Dms:
    """``airflow dms`` of one Airflow."""

    def __init__(self, airflow: AirflowInstance) -> None:
        self._airflow = airflow

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Start a command that prints JSON; at the end it is killed if it still runs."""
        with subprocess.Popen(
            [sys.executable, "-m", "airflow", "dms", *words, "--output", "json"],
            env={**os.environ, **self._airflow.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as command:
            try:
                yield command
            finally:
                command.kill()

    def __call__(self, *words: str, status: int = 0) -> Any:
        """Run a command to its end; return the JSON document that is all of its standard output."""
        with self.started(*words) as command:
            out, err = command.communicate(timeout=2 * PATIENCE)
        assert command.returncode == status, err
        self.said = err
        return json.loads(out) if out else None


def publish(airflow: AirflowInstance, **flows: str) -> None:
    for flow, text in flows.items():
        part = airflow.dags / f"{flow}.part"
        part.write_text(text, encoding="utf-8")
        part.rename(airflow.dags / f"{flow}.flow.yaml")
    airflow.wait_for(lambda: flows.keys() <= airflow.active_dags(), f"{', '.join(flows)} to be active")


def withdraw(airflow: AirflowInstance, *flows: str) -> None:
    for flow in flows:
        (airflow.dags / f"{flow}.flow.yaml").unlink()


def wait_for_state(airflow: AirflowInstance, flow: str, run_id: str, state: str) -> None:
    airflow.wait_for(
        lambda: airflow.get(f"/dags/{flow}/dagRuns/{run_id}")["state"] == state, f"{flow} to be {state}"
    )


def test_a_range_fails_and_is_restored_rerun_and_set_to_success(
    airflow: AirflowInstance, warehouse: Path
) -> None:
    publish(airflow, report=REPORT)
    dms = Dms(airflow)
    dates = ["--from", "2023-01-01T02:00", "--to", "2023-01-03T02:00", "--every", "1d"]
    document = dms("run", "report", *dates, status=1)
    (made,) = document["runs"]
    assert document["flow"] == "report"
    assert (made["business_time"], made["state"]) == ("2023-01-01T02:00:00+08:00", "failed")
    assert "2 later business times were not run" in dms.said
    assert done(warehouse, "report") == ["load"]

    run_id = made["run_id"]
    with sqlite3.connect(warehouse) as connection:
        connection.execute("CREATE TABLE gate_of_report (x)")
    assert dms("restore", "report", run_id) == {"flow": "report", "run_id": run_id, "state": "queued"}
    airflow.succeed("report", run_id)
    assert done(warehouse, "report") == ["load", "last"]
    assert airflow.task_states("report", run_id)["not_wanted"] == "skipped"

    assert dms("rerun", "report", run_id)["state"] == "queued"
    airflow.succeed("report", run_id)
    assert done(warehouse, "report") == ["load", "last", "load", "last"]
    assert airflow.task_states("report", run_id)["not_wanted"] == "skipped"
    with sqlite3.connect(warehouse) as connection:
        assert connection.execute("SELECT DISTINCT day FROM done WHERE flow = 'report'").fetchall() == [
            ("2023-01-01",)
        ]
        connection.execute("DROP TABLE gate_of_report")

    (alone,) = dms("run", "report", "--node", "gate", "--wait", status=1)["runs"]
    assert airflow.task_states("report", alone["run_id"])["load"] == "skipped"
    document = dms("set-success", "report", alone["run_id"])
    assert document == {"flow": "report", "run_id": alone["run_id"], "state": "success"}
    assert airflow.get(f"/dags/report/dagRuns/{alone['run_id']}")["state"] == "success"
    withdraw(airflow, "report")


def test_a_run_in_the_way_is_named_and_stopped(airflow: AirflowInstance, warehouse: Path) -> None:
    publish(airflow, long=LONG)
    dms = Dms(airflow)
    with dms.started("run", "long", "--wait") as waiting:
        airflow.wait_for(lambda: airflow.get("/dags/long/dagRuns")["dag_runs"], "the first run")
        first = airflow.get("/dags/long/dagRuns")["dag_runs"][0]["dag_run_id"]
        airflow.wait_for(
            lambda: airflow.task_states("long", first).get("work") == "running", "its work to begin"
        )
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 1
    assert f"no longer waiting; {first} goes on" in err
    assert [run["run_id"] for run in json.loads(out)["runs"]] == [first]

    (second,) = dms("run", "long", "--wait", status=1)["runs"]
    assert second["state"] == "skipped"
    assert f"run {first} was in the way" in dms.said
    (listed,) = (flow for flow in dms("list") if flow["flow"] == "long")
    assert listed["last_state"] == "skipped"
    assert dms("rerun", "long", second["run_id"], status=1) is None
    assert f"run {first} of long is going" in dms.said

    assert dms("stop", "long", first) == {"flow": "long", "run_id": first, "state": "failed"}
    states = airflow.task_states("long", first)
    assert (states["work"], states["last"]) == ("failed", "skipped")
    assert done(warehouse, "long") == []
    withdraw(airflow, "long")


def test_a_frozen_flow_gets_no_scheduled_runs(airflow: AirflowInstance, warehouse: Path) -> None:
    publish(airflow, often=OFTEN)
    dms = Dms(airflow)

    def scheduled() -> list[str]:
        runs = airflow.get("/dags/often/dagRuns", run_type="scheduled", limit=1000)["dag_runs"]
        return sorted(run["run_after"] for run in runs)

    airflow.wait_for(scheduled, "the first slot")
    assert dms("freeze", "often") == {"flow": "often", "frozen": True}
    frozen_after = scheduled()
    time.sleep(2 * SLOT_SECONDS + 2)
    assert len(scheduled()) <= len(frozen_after) + 1, "a run that was about to be made when it was frozen"
    assert "often: the slot" in (log := (airflow.logs / "scheduler.log").read_text(errors="replace"))
    assert "the flow is frozen (Airflow Variable dms_frozen_often)" in log
    before = scheduled()
    (tried,) = dms("run", "often", "--wait")["runs"]
    assert tried["state"] == "success"
    assert scheduled() == before

    assert dms("unfreeze", "often") == {"flow": "often", "frozen": False}
    unfrozen = airflow.get("/variables/dms_unfrozen_often")["value"]
    airflow.wait_for(lambda: len(scheduled()) > len(before) + 1, "slots to run again")
    again = set(scheduled()) - set(before)
    assert min(again) > unfrozen.replace("+00:00", "Z")
    withdraw(airflow, "often")
