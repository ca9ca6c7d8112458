from __future__ import annotations

import json
from collections.abc import Callable
from cProfile import Profile
from typing import Any

import pytest
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import DAG

from dms_provider.operators.base import SpecText
from dms_provider.operators.conditional_branch import ConditionalBranchOperator
from dms_provider.operators.outputs import Output
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.operators.sql_assignment import SQLAssignmentOperator
from dms_provider.variables.scope import FlowScope
from tests.dms_provider.operators.running import context_of


def flow() -> DAG:
    with DAG("flow") as dag:
        scope = FlowScope(variables={"month": "yyyyMM"}, secrets={"token": "key"})
        load = SingleInstanceSQLOperator(
            task_id="load", conn_id="source", sql=SpecText("SELECT '${month}'"), scope=scope
        )
        late = SQLAssignmentOperator(
            task_id="late",
            conn_id="source",
            sql=SpecText("SELECT 1"),
            outputs={"x": Output(0, 0, type="number")},
            scope=scope,
        )
        load >> late >> ConditionalBranchOperator(task_id="many", condition=SpecText("all_done"), scope=scope)
    return dag


def serialized(dag: DAG) -> dict[str, Any]:
    from airflow.serialization.serialized_objects import DagSerialization

    stored: dict[str, Any] = DagSerialization.to_dict(dag)
    return stored


def test_serialization_is_stable_and_small(airflow_database: object) -> None:
    first, second = (serialized(flow()) for _ in range(2))
    tasks = [json.dumps(task, sort_keys=True) for task in first["dag"]["tasks"]]
    assert tasks == [json.dumps(task, sort_keys=True) for task in second["dag"]["tasks"]]
    for text in tasks:
        assert len(text) < 800
        assert "object at" not in text
        assert "yyyyMM" not in text


def test_jinja_is_never_applied_to_a_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "SELECT '{{ 1 + 1 }} {% raw' AS x -- a.sql"
    operator = SingleInstanceSQLOperator(task_id="load", conn_id=SpecText("{{ x }}"), sql=SpecText(text))
    operator.render_template_fields(context_of(operator))  # type: ignore[arg-type]  # enough of one
    assert operator.sql == text
    assert operator.conn_id == "{{ x }}"


def test_a_text_that_cannot_be_read_is_shown_as_it_is() -> None:
    operator = SingleInstanceSQLOperator(task_id="load", conn_id="c", sql=SpecText("${bizdate} ${no name}"))
    operator.render_template_fields(context_of(operator))  # type: ignore[arg-type]  # enough of one
    assert operator.sql == "${bizdate} ${no name}"


def test_rendering_again_changes_nothing() -> None:
    operator = SingleInstanceSQLOperator(task_id="load", conn_id="c", sql=SpecText("$${bizdate} ${bizdate}"))
    for _ in range(2):
        operator.render_template_fields(context_of(operator))  # type: ignore[arg-type]  # enough of one
        assert operator.sql == "${bizdate} 2023-08-03"
        assert operator.as_written("sql") == "$${bizdate} ${bizdate}"


def test_construction_costs_no_more_than_airflows_own() -> None:
    scope = FlowScope()
    text = SpecText("SELECT 1")

    def calls(build: Callable[[str], None]) -> int:
        profile = Profile()
        with DAG("flow"):
            build("warm_up")
            profile.enable()
            build("measured")
            profile.disable()
        return sum(entry.callcount for entry in profile.getstats())

    def ours(task_id: str) -> None:
        SingleInstanceSQLOperator(task_id=task_id, conn_id="c", sql=text, scope=scope)

    def theirs(task_id: str) -> None:
        SQLExecuteQueryOperator(task_id=task_id, conn_id="c", sql=text)

    assert calls(ours) <= calls(theirs)
