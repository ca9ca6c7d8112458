"""What is read from XCom counts only as far as the node that gives it declared it."""

from __future__ import annotations

import re

import pytest
from airflow.sdk import DAG

from dms_provider.operators.outputs import Output, OutputError
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.operators.sql_assignment import SQLAssignmentOperator
from dms_provider.variables.values import Data
from tests.dms_provider.operators.running import context_of


def reader(output: Output) -> SingleInstanceSQLOperator:
    with DAG("flow"):
        giver = SQLAssignmentOperator(task_id="giver", conn_id="c", sql="SELECT 1", outputs={"x": output})
        node = SingleInstanceSQLOperator(
            task_id="node", conn_id="c", sql="SELECT ${x}", inputs={"x": "giver"}
        )
        giver >> node
    return node


def resolved(output: Output, stored: Data) -> object:
    node = reader(output)
    return node.resolve({"x"}, context_of(node, given={"giver": {"x": stored}}))["x"]  # type: ignore[arg-type]  # enough of one


def test_the_combiner_is_the_authors() -> None:
    stored = Data(("1", "2"), combiner="'); DROP TABLE t; --")
    assert resolved(Output("all", 0, ","), stored) == Data(("1", "2"), combiner=",")


def test_the_type_is_the_authors() -> None:
    assert resolved(Output(0, 0, type="number"), Data(("12",))) == Data(("12",), type="number")


@pytest.mark.parametrize(
    ("output", "stored", "says"),
    [
        (Output(0, 0), Data(("1", "2"), combiner=","), "single value"),
        (Output(0, 0, type="number"), Data(("1; DROP TABLE t",), type="number"), "is no number"),
        (Output(0, 0, type="identifier"), Data(("a-b",)), "is no identifier"),
    ],
)
def test_what_is_not_as_declared_is_refused(output: Output, stored: Data, says: str) -> None:
    with pytest.raises(OutputError, match=f"output x: .*{re.escape(says)}"):
        resolved(output, stored)
