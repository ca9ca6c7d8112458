"""Specs are dropped into a folder under a real scheduler; one is broken, mended, renamed and deleted."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from tests.end_to_end.airflow_instance import AirflowInstance

FLOW = """\
version: 1
id: {id}
owner: alice
nodes:
  load:
    type: single_instance_sql
    database: warehouse
    sql: INSERT INTO done VALUES ('${{flow_id}}', '${{node_id}}', '${{bizdate}}')
  count:
    type: sql_assignment
    after: [load]
    database: warehouse
    sql: SELECT count(*) FROM done WHERE flow = '${{flow_id}}'
    outputs:
      rows: {{row: 0, column: 0, type: number}}
  many:
    type: conditional_branch
    after: [count]
    condition: ${{rows}} > 0
  note:
    type: single_instance_sql
    after: [many]
    database: warehouse
    sql: INSERT INTO done VALUES ('${{flow_id}}', 'note ${{rows}}', '${{bizdate}}')
"""
ROUNDS = 8


def _write(path: Path, text: str) -> None:
    """Write a file in one step, as deployments do."""
    draft = path.with_suffix(".part")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def _done(warehouse: Path, flow: str) -> list[str]:
    with sqlite3.connect(warehouse) as connection:
        return [
            node
            for (node,) in connection.execute("SELECT node FROM done WHERE flow = ? ORDER BY rowid", (flow,))
        ]


def _run(airflow: AirflowInstance, dag_id: str) -> None:
    run_id = airflow.trigger(dag_id)
    state = airflow.wait_for_run(dag_id, run_id, timeout=90)
    states = airflow.task_states(dag_id, run_id)
    failed = [task_id for task_id, reached in states.items() if reached == "failed"]
    if state != "success":
        logs = "\n".join(airflow.task_log(dag_id, run_id, task_id) for task_id in failed)
        pytest.fail(f"{dag_id} is {state}: {states}\n{logs}")


def test_drop_break_mend_rename_delete(airflow: AirflowInstance, warehouse: Path) -> None:
    flows = {f"flow_{number}" for number in range(6)}
    for flow in flows:
        _write(airflow.dags / f"{flow}.flow.yaml", FLOW.format(id=flow))
    airflow.wait_for(lambda: airflow.active_dags() == flows, "all flows to be active", timeout=90)
    _run(airflow, "flow_0")
    assert _done(warehouse, "flow_0") == ["load", "note 1"]

    broken = airflow.dags / "flow_1.flow.yaml"
    stub = "flow_1.flow.yaml.py"
    _write(broken, FLOW.format(id="flow_1").replace("after: [many]", "after: [manx]"))
    airflow.wait_for(lambda: stub in airflow.import_errors(), "the import error", timeout=30)
    airflow.wait_for(lambda: "flow_1" not in airflow.active_dags(), "the broken flow to go", timeout=45)
    first = airflow.import_errors()
    assert list(first) == [stub]
    assert "\nflow_1.flow.yaml:22:13: unknown-node " in first[stub]
    assert "Traceback" not in first[stub]
    seen = {_parsed_at(airflow, stub)}
    while len(seen) < ROUNDS:
        assert airflow.import_errors() == first
        assert airflow.active_dags() == flows - {"flow_1"}
        seen.add(_parsed_at(airflow, stub))
        time.sleep(0.3)
    _run(airflow, "flow_2")

    _write(broken, FLOW.format(id="flow_1"))
    airflow.wait_for(lambda: airflow.import_errors() == {}, "the import error to go", timeout=30)
    airflow.wait_for(lambda: airflow.active_dags() == flows, "the mended flow to come back", timeout=30)
    _run(airflow, "flow_1")

    (airflow.dags / "deep").mkdir()
    os.rename(broken, airflow.dags / "deep" / "another_name.flow.yaml")
    _run(airflow, "flow_1")
    assert airflow.active_dags() == flows
    assert airflow.import_errors() == {}

    (airflow.dags / "flow_3.flow.yaml").unlink()
    airflow.wait_for(
        lambda: airflow.active_dags() == flows - {"flow_3"}, "the deleted flow to go", timeout=45
    )
    assert airflow.import_errors() == {}


def _parsed_at(airflow: AirflowInstance, file: str) -> str:
    (error,) = (e for e in airflow.get("/importErrors")["import_errors"] if e["filename"] == file)
    return str(error["timestamp"])
