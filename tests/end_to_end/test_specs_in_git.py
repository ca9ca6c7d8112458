"""A run of a flow in a Git repository keeps to the commit it was started with."""

from __future__ import annotations

from pathlib import Path

from tests.dag_factory.discovery.repository import Repository
from tests.end_to_end.airflow_instance import AirflowInstance
from tests.end_to_end.conftest import done

FLOW = """\
version: 1
id: versioned
owner: alice
pool: gate
nodes:
  load:
    type: single_instance_sql
    database: warehouse
    sql: INSERT INTO done VALUES ('${{flow_id}}', '{commit} commit', '${{bizdate}}')
"""


def test_run_keeps_its_commit(airflow: AirflowInstance, repository: Repository, warehouse: Path) -> None:
    airflow.post("/pools", {"name": "gate", "slots": 0})
    first = repository.commit({"flows/versioned.flow.yaml": FLOW.format(commit="first")})
    _wait_for_version(airflow, first)
    pinned = airflow.trigger("versioned")
    second = repository.commit({"flows/versioned.flow.yaml": FLOW.format(commit="second")})
    _wait_for_version(airflow, second)
    airflow.patch("/pools/gate", {"name": "gate", "slots": 1, "include_deferred": False})
    airflow.succeed("versioned", pinned)
    assert done(warehouse, "versioned") == ["first commit"]
    airflow.run("versioned")
    assert done(warehouse, "versioned") == ["first commit", "second commit"]
    log = (airflow.logs / "dag-processor.log").read_text(encoding="utf-8", errors="replace")
    assert "returned a plain string from get_current_version" not in log


def _wait_for_version(airflow: AirflowInstance, commit: str) -> None:
    def is_live() -> bool:
        dags = airflow.get("/dags", dag_id_pattern="versioned")["dags"]
        return any(dag["bundle_version"] == commit and not dag["is_stale"] for dag in dags)

    airflow.wait_for(is_live, f"commit {commit} to be live")
