"""A flow's words in Airflow's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.trigger_rule import TriggerRule

from dag_factory.builder import build_dag
from dag_factory.builder.nodes import WORK
from dag_factory.spec.nodes import NODE_TYPES
from dag_factory.validation import validate_file
from dms_provider.operators.outputs import Output
from dms_provider.policies.rules import FlowPolicies
from dms_provider.timetables.flow import FlowTimetable
from tests.dag_factory.builder.conftest import SPEC


@pytest.fixture
def dag(spec: Path) -> DAG:
    return build_dag(validate_file(spec))


def test_dag(dag: DAG) -> None:
    assert dag.dag_id == "daily_flights"
    assert dag.dag_display_name == "每日航班"
    assert dag.description == "Loads *yesterday's* flights."
    assert dag.dagrun_timeout == timedelta(hours=3)
    assert dag.is_paused_upon_creation is False
    assert dag.catchup is False
    assert dag.start_date is None
    assert dag.max_active_runs >= 1000
    assert isinstance(dag.timetable, FlowTimetable)
    assert dag.timetable.schedule.timezone == "Europe/Berlin"
    assert dag.tags == {
        "operations",
        "owner:alice",
        "error_handling:complete_unrelated_tasks",
        "concurrency:parallel_mode_1",
    }


def test_each_node_type_has_an_operator() -> None:
    assert WORK.keys() == NODE_TYPES.keys()


def test_documentation(dag: DAG, spec: Path) -> None:
    docs = str(dag.doc_md)
    assert docs.startswith("Loads *yesterday's* flights.\n")
    for fact in ("**Owner**: alice", "**Stakeholders**: bob, carol", "**Scenario**: operations"):
        assert fact in docs
    assert "\n- **Cron**: `30 0 * * 1,4` (Quartz `0 30 0 ? * 2,5`)\n" in docs
    # longer than any run of backticks in the text, so that the text cannot end it
    assert docs.endswith(f"\n\n````yaml\n{SPEC}\n````")


def test_draft_never_runs_by_itself(spec: Path) -> None:
    spec = spec.rename(spec.with_name("daily.draft.flow.yaml"))
    dag = build_dag(validate_file(spec), draft=True)
    assert dag.dag_id == "daily_flights__draft"
    assert not dag.timetable.can_be_scheduled
    assert "draft" in dag.tags


def test_order_is_that_of_the_file_and_edges_are_those_of_after(dag: DAG) -> None:
    assert list(dag.task_dict) == ["note", "load", "late", "many", "dms__outcome"]
    edges = {task.task_id: (set(task.upstream_task_ids), set(task.downstream_task_ids)) for task in dag.tasks}
    assert edges == {
        "note": ({"many", "load"}, {"dms__outcome"}),
        "load": (set(), {"late", "note", "dms__outcome"}),
        "late": ({"load"}, {"many", "dms__outcome"}),
        "many": ({"late"}, {"note", "dms__outcome"}),
        "dms__outcome": ({"note", "load", "late", "many"}, set()),
    }


def test_edges_are_what_airflow_itself_makes_of_them(spec: Path, dag: DAG) -> None:
    flow = validate_file(spec).flow
    other = build_dag(validate_file(spec))
    outcome = other.get_task("dms__outcome")
    above_outcome = [other.get_task(node_id) for node_id in outcome.upstream_task_ids]
    for task in other.tasks:
        task.upstream_task_ids.clear()
        task.downstream_task_ids.clear()
    for node_id, node in flow.nodes.items():
        other.get_task(node_id).set_upstream([other.get_task(upstream) for upstream in node.after])
    outcome.set_upstream(above_outcome)
    assert DagSerialization.to_dict(other) == DagSerialization.to_dict(dag)


def test_policies_are_those_of_the_spec(spec: Path, dag: DAG) -> None:
    assert FlowPolicies.from_json(dag.get_task("dms__outcome").policies) == FlowPolicies(
        error_handling="complete_unrelated_tasks",
        concurrency="parallel_mode_1",
        mode_2_scope="all",
        timezone="Europe/Berlin",
        pools={},
    )
    spec.write_text(
        SPEC.replace("complete_unrelated_tasks", "immediately_stop_all_tasks").replace(
            "pool: nights", "pool: nights\npools: {nights: 3}\nmode_2_scope: direct"
        )
    )
    stopping = build_dag(validate_file(spec))
    policies = FlowPolicies.from_json(stopping.get_task("dms__outcome").policies)
    assert (policies.error_handling, policies.mode_2_scope) == ("immediately_stop_all_tasks", "direct")
    assert policies.pools == {"nights": 3}
    assert stopping.get_task("dms__hold").upstream_task_ids == {"note", "load", "late", "many"}
    assert {task.task_id for task in stopping.tasks if getattr(task, "answers_failure", False)} == {
        "many",
        "note",
    }


def test_common_keys(dag: DAG) -> None:
    load, note = dag.get_task("load"), dag.get_task("note")
    assert (load.task_display_name, load.doc_md, load.owner) == ("装载", "Loads the day.", "alice")
    assert (load.retries, load.retry_delay) == (2, timedelta(seconds=30))
    assert (load.execution_timeout, load.queue, load.pool) == (timedelta(minutes=5), "big", "days")
    assert (note.retries, note.execution_timeout, note.pool) == (0, timedelta(hours=14), "nights")
    assert note.doc_md is None


def test_what_nodes_can_name(dag: DAG) -> None:
    load, note, many = dag.get_task("load"), dag.get_task("note"), dag.get_task("many")
    assert load.scope is note.scope
    assert (load.scope.timezone, load.scope.locale, load.scope.flow_name) == (
        "Europe/Berlin",
        "en",
        "每日航班",
    )
    assert load.scope.variables == {"month": "yyyyMM|-1M"}
    assert load.scope.constants == {"region": "east"}
    assert load.scope.secrets == {"token": "report_token"}
    assert load.variables == {"year": "yyyy"}
    assert note.inputs == many.inputs == {"late": "late"}


def test_nodes_of_each_type(dag: DAG) -> None:
    load, late, many = dag.get_task("load"), dag.get_task("late"), dag.get_task("many")
    assert (load.conn_id, load.transaction) == ("warehouse", True)
    assert load.sql == "DELETE FROM report_${month} WHERE region = '${region}';\n"
    assert late.sql == "SELECT count(*) FROM report_${month}"
    assert late.outputs == {"late": Output(0, "all", ",", "number", "0")}
    assert many.condition == "${late} > 100 || one_failed"
    assert many.trigger_rule == TriggerRule.ALL_DONE
    assert len({task.ui_color for task in (load, late, many)}) == 3


def test_jinja_is_not_applied(dag: DAG) -> None:
    note = dag.get_task("note")
    assert note.render_template(note.sql, {"ds": "rendered"}) == note.sql


def test_airflow_can_send_the_serialized_dag(dag: DAG) -> None:
    msgspec.msgpack.encode(DagSerialization.to_dict(dag))


def test_serialized_bytes_are_the_same_under_every_hash_seed(spec: Path) -> None:
    # sorted by key, as Airflow stores and compares them: it walks a frozenset of names itself
    code = (
        "import json, pathlib, sys\n"
        "from airflow.serialization.serialized_objects import DagSerialization\n"
        "from dag_factory.builder import build_dag\n"
        "from dag_factory.validation import validate_file\n"
        "dag = build_dag(validate_file(pathlib.Path(sys.argv[1])))\n"
        "print(json.dumps(DagSerialization.to_dict(dag), sort_keys=True))\n"
    )
    texts = [json.dumps(DagSerialization.to_dict(build_dag(validate_file(spec))), sort_keys=True)]
    for seed in ("0", "42"):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, str(spec)],
            env={**os.environ, "PYTHONHASHSEED": seed, "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"},
            capture_output=True,
            check=True,
        )
        texts.append(done.stdout.decode().splitlines()[-1])
    assert json.loads(texts[0])["dag"]["dag_id"] == "daily_flights"
    assert len(set(texts)) == 1
