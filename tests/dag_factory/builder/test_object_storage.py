"""Texts and results in object storage: from the words of a spec to operators."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from dag_factory.builder import build_dag
from dag_factory.validation import validate_file
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.operators.unload import UnloadOperator

SPEC = """\
version: 1
owner: alice
constants: {region: east}
nodes:
  count:
    type: sql_assignment
    database: warehouse
    sql_file: oss://scripts/bucket/count.sql
    outputs: {late: {row: 0, column: 0}, month: {row: 0, column: 1}}
  load:
    type: single_instance_sql
    after: [count]
    database: warehouse
    sql_file: oss://scripts/bucket/${region}/${bizdate}.sql
  export:
    type: single_instance_sql
    after: [load]
    database: warehouse
    sql: SELECT '${late}'
    unload: {to: "oss://archive/bucket/${bizdate}.csv"}
"""


@pytest.fixture
def dag(tmp_path: Path) -> DAG:
    spec = tmp_path / "stored.flow.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    return build_dag(validate_file(spec))


def test_a_text_that_is_read_later_can_name_every_output_upstream(dag: DAG) -> None:
    load = dag.get_task("load")
    assert isinstance(load, SingleInstanceSQLOperator)
    assert (load.sql, load.sql_file) == ("", "oss://scripts/bucket/${region}/${bizdate}.sql")
    assert load.inputs == {"late": "count", "month": "count"}
    assert dag.get_task("count").inputs == {}


def test_a_query_that_is_unloaded(dag: DAG) -> None:
    export = dag.get_task("export")
    assert isinstance(export, UnloadOperator)
    assert (export.sql, export.to) == ("SELECT '${late}'", "oss://archive/bucket/${bizdate}.csv")
    assert export.inputs == {"late": "count"}


def test_the_dag_can_be_stored(dag: DAG) -> None:
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert stored.get_task("export").to == "oss://archive/bucket/${bizdate}.csv"
    assert stored.get_task("load").sql_file == "oss://scripts/bucket/${region}/${bizdate}.sql"
