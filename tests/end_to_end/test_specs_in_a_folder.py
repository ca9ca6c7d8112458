"""Specs are dropped into a folder under a real scheduler; one is broken, mended, renamed and deleted."""

from __future__ import annotations

import os
from pathlib import Path

from tests.end_to_end.airflow_instance import AirflowInstance
from tests.end_to_end.conftest import done

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
ONE_NODE = """\
version: 1
id: {id}
owner: alice
nodes:
  load:
    type: single_instance_sql
    database: warehouse
    sql: INSERT INTO done VALUES ('${{flow_id}}', '${{node_id}}', '${{bizdate}}')
"""
ROUNDS = 5


def _write(path: Path, text: str) -> None:
    """Write a file in one step, as deployments do."""
    draft = path.with_suffix(".part")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def test_drop_break_mend_rename_delete(airflow: AirflowInstance, warehouse: Path) -> None:
    flows = {f"flow_{number}" for number in range(6)}
    for flow in flows:
        text = FLOW if flow == "flow_0" else ONE_NODE
        _write(airflow.dags / f"{flow}.flow.yaml", text.format(id=flow))
    airflow.wait_for(lambda: flows <= airflow.active_dags(), "all flows to be active")
    airflow.run("flow_0")
    assert done(warehouse, "flow_0") == ["load", "note 1"]

    broken = airflow.dags / "flow_1.flow.yaml"
    stub = "flow_1.flow.yaml.py"
    _write(broken, ONE_NODE.format(id="flow_1").replace("type:", "after: [lod]\n    type:"))
    airflow.wait_for(lambda: stub in airflow.import_errors(), "the import error")
    airflow.wait_for(lambda: "flow_1" not in airflow.active_dags(), "the broken flow to go")
    first = airflow.import_errors()
    assert list(first) == [stub]
    assert "\nflow_1.flow.yaml:6:13: unknown-node " in first[stub]
    assert "Traceback" not in first[stub]
    seen: set[str] = set()

    def rounds_enough() -> bool:
        assert airflow.import_errors() == first
        assert flows - airflow.active_dags() == {"flow_1"}
        seen.add(_parsed_at(airflow, stub))
        return len(seen) >= ROUNDS

    airflow.wait_for(rounds_enough, f"{ROUNDS} rounds of parsing")
    airflow.run("flow_2")

    _write(broken, ONE_NODE.format(id="flow_1"))
    airflow.wait_for(lambda: airflow.import_errors() == {}, "the import error to go")
    airflow.wait_for(lambda: flows <= airflow.active_dags(), "the mended flow to come back")
    airflow.run("flow_1")

    (airflow.dags / "deep").mkdir()
    renamed_meanwhile = airflow.trigger("flow_1")
    os.rename(broken, airflow.dags / "deep" / "another_name.flow.yaml")
    airflow.succeed("flow_1", renamed_meanwhile)
    assert done(warehouse, "flow_1") == ["load", "load"]
    airflow.wait_for(
        lambda: flows <= airflow.active_dags() and airflow.import_errors() == {},
        "the renamed flow to be live",
    )

    (airflow.dags / "flow_3.flow.yaml").unlink()
    airflow.wait_for(lambda: flows - airflow.active_dags() == {"flow_3"}, "the deleted flow to go")
    assert airflow.import_errors() == {}


def _parsed_at(airflow: AirflowInstance, file: str) -> str:
    (error,) = (e for e in airflow.get("/importErrors")["import_errors"] if e["filename"] == file)
    return str(error["timestamp"])
