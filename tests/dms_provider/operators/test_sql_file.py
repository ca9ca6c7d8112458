"""Statements that lie in object storage: read once a try, and filled in like those of a spec."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from dms_provider.hooks.oss import OSSError
from dms_provider.operators.base import MisplacedData, SpecText
from dms_provider.operators.outputs import Output
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.operators.sql import SQLFlowOperator, StatementFailed
from dms_provider.operators.sql_assignment import SQLAssignmentOperator
from dms_provider.operators.unload import UnloadOperator
from dms_provider.variables.references import UndefinedVariable
from dms_provider.variables.scope import FlowScope
from dms_provider.variables.values import Data
from tests.dms_provider.databases import Database
from tests.dms_provider.operators.running import Outcome, run
from tests.dms_provider.operators.test_dry_run import dry_run
from tests.doubles.oss import ObjectStorage

ADDRESS = "oss://scripts/bucket/${region}/${bizdate}.sql"
KEY = "east/2023-08-03.sql"
SCOPE = FlowScope(constants={"region": "east"}, variables={"month": "yyyyMM|-1M"}, secrets={"token": "key"})
HOSTILE = "'; DROP TABLE t; -- ${region}"

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def storage(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStorage]:
    """An object storage, as the connection ``scripts``."""
    with ObjectStorage() as running:
        monkeypatch.setenv("AIRFLOW_CONN_SCRIPTS", json.dumps(running.connection()))
        monkeypatch.setenv("AIRFLOW_VAR_KEY", "sesame")
        yield running


def node(kind: type[SQLFlowOperator], address: str = ADDRESS, **arguments: Any) -> Any:
    return kind(
        **{
            "task_id": "node",
            "conn_id": "source",
            "sql_file": SpecText(address),
            "scope": SCOPE,
            "inputs": {"late": "count"},
            **arguments,
        }
    )


def execute(operator: SQLFlowOperator) -> Outcome:
    return run(operator, {"count": {"late": Data((HOSTILE,))}})


def test_statements_are_filled_in_like_those_of_a_spec(storage: ObjectStorage) -> None:
    storage.store(
        KEY, b"CREATE TABLE t (n);\nINSERT INTO t VALUES ('${month} ${region}'), ('${late}'), ('${token}')"
    )
    outcome = execute(node(SingleInstanceSQLOperator))
    assert storage.counts == {"get": 1}
    assert outcome.log[1] == f"Read oss://scripts/bucket/{KEY}: 90 characters"
    assert not any("sesame" in line for line in outcome.log)
    assert outcome.rendered == {
        "conn_id": "source",
        "sql": "",
        "sql_file": f"oss://scripts/bucket/{KEY}",
    }
    query = node(SQLAssignmentOperator, outputs={"x": Output("all", 0, "|")})
    storage.store(KEY, b"\xef\xbb\xbfSELECT n FROM t")
    assert execute(query).outputs["x"].elements == ("202307 east", HOSTILE, "sesame")
    assert storage.counts == {"get": 2}


def test_a_query_that_is_unloaded(storage: ObjectStorage) -> None:
    storage.store(KEY, b"SELECT '${late}' AS late")
    execute(node(UnloadOperator, to=SpecText("oss://scripts/bucket/late.csv")))
    assert storage.text("late.csv") == f"late\r\n{HOSTILE}\r\n"


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        (None, OSSError, f"cannot read oss://scripts/bucket/{KEY}: OSS answered 404 NoSuchKey"),
        ("SELECT ${nothing}", UndefinedVariable, "nothing"),
        ("SELECT ${late}", StatementFailed, r"Statement 1 \(line 1\) failed on source: .*late"),
        ("-- nothing", StatementFailed, "there is no statement in the text of this node"),
    ],
)
def test_a_text_that_cannot_be_run(
    storage: ObjectStorage, text: str | None, error: type[Exception], says: str
) -> None:
    if text is not None:
        storage.store(KEY, text.encode())
    with pytest.raises(error, match=says):
        execute(node(SingleInstanceSQLOperator))


def test_a_dry_run_reads_it(storage: ObjectStorage) -> None:
    storage.store(KEY, b"SELECT '${month}', '${late}'; SELECT '${token}'")
    assert dry_run(node(SingleInstanceSQLOperator)) == [
        f"Read oss://scripts/bucket/{KEY}: 47 characters",
        "Statement 1 (line 1) for source: SELECT '202307', '${late}'",
        "Statement 2 (line 1) for source: SELECT '***'",
    ]
    storage.buckets["bucket"].clear()
    with pytest.raises(AirflowFailException, match="this node would fail: cannot read oss://scripts/bucket/"):
        dry_run(node(SingleInstanceSQLOperator))


def test_no_data_may_stand_in_the_address(storage: ObjectStorage) -> None:
    with pytest.raises(MisplacedData, match=r"^sql_file: no data may stand in it, so \$\{late\} cannot"):
        execute(node(SingleInstanceSQLOperator, "oss://scripts/bucket/${late}.sql"))
    assert not storage.counts


@pytest.mark.parametrize("given", [{"sql": "SELECT 1", "sql_file": "oss://a/b/c"}, {"sql_file": None}])
def test_the_text_is_given_in_one_way(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give sql, or sql_file"):
        node(SingleInstanceSQLOperator, **given)
