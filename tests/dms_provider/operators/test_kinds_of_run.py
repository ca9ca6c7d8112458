"""A run that cannot be made is refused before anything is executed."""

from __future__ import annotations

from typing import Any

import pytest

from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.variables.run_conf import RunConfError
from tests.dms_provider.operators.running import context_of


@pytest.mark.parametrize(
    ("conf", "says"),
    [
        ({"node": "load"}, "node: only for a DAG with policies"),
        ({"from_node": "load"}, "from_node: only for a DAG with policies"),
        ({"dry_rum": True}, "unknown key 'dry_rum'"),
        ({"dry_run": "yes"}, "dry_run: expected true or false"),
    ],
)
def test_a_run_of_another_kind_executes_nothing(conf: dict[str, Any], says: str) -> None:
    node = SingleInstanceSQLOperator(task_id="load", conn_id="no_such_connection", sql="SELECT 1")
    context = context_of(node)
    context["dag_run"].conf = {"dms": conf}
    with pytest.raises(RunConfError, match=says):
        node.execute(context)  # type: ignore[arg-type]  # enough of one
