"""A dry run says which way a change of a table would go, and reaches no server."""

from __future__ import annotations

import json

import pytest

from dms_provider.operators.base import SpecText
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from tests.dms_provider.operators.running import Log, context_of


def described(sql: str, *, transaction: bool = False) -> list[str]:
    """Return what a dry run logs."""
    node = SingleInstanceSQLOperator(
        task_id="node", conn_id="source", sql=SpecText(sql), transaction=transaction
    )
    log = Log()
    node._cached_logger = log  # type: ignore[assignment]  # where Airflow keeps the logger of an object
    node.describe(context_of(node))  # type: ignore[arg-type]  # as much of a context as is used
    return log.lines


@pytest.fixture(autouse=True, params=["mysql", "postgres"])
def conn_type(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A connection to a server that does not exist."""
    kind: str = request.param
    connection = {"conn_type": kind, "host": "192.0.2.1", "extra": {"lock_free": "auto"}}
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps(connection))
    return kind


def test_the_way_of_each_change(conn_type: str) -> None:
    lines = described("SELECT 1;\nCREATE INDEX i ON t (a);\nDROP TABLE t")
    (way,) = [line for line in lines if "lock-free" in line]
    assert way == "Statement 2 (line 2): lock-free schema change: " + (
        "CREATE INDEX CONCURRENTLY"
        if conn_type == "postgres"
        else "ALGORITHM=INPLACE, LOCK=NONE, else pt-online-schema-change"
    )
    assert len(lines) == 4


def test_none_in_a_transaction() -> None:
    with pytest.raises(RuntimeError, match="cannot be part of a transaction on source"):
        described("CREATE INDEX i ON t (a)", transaction=True)
