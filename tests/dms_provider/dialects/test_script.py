"""A script as a node would run it, without a server."""

from __future__ import annotations

import pytest

from dms_provider.dialects import RefusedValue, dialect
from dms_provider.dialects.script import fill_script, script_problem
from dms_provider.variables.references import DataReference
from dms_provider.variables.values import Data

LATE = DataReference("late", Data(("it's 5",)))


def problem(sql: str, conn_type: str, *, transaction: bool = False, one_query: bool = False) -> str | None:
    language = dialect(conn_type)
    statements = fill_script((sql,), language)
    return script_problem((sql,), statements, language, transaction=transaction, one_query=one_query)


def test_statements_have_their_lines_and_their_data() -> None:
    filled = fill_script(("SELECT 1;\n\nSELECT '", LATE, "'"), dialect("postgres"))
    assert [(statement.line, statement.sql) for statement in filled] == [
        (1, "SELECT 1"),
        (3, "SELECT 'it''s 5'"),
    ]


def test_batches_that_run_more_than_once() -> None:
    (filled,) = fill_script(("SELECT 1\nGO 3\n",), dialect("mssql"))
    assert filled.sql.endswith("\nGO 3")


def test_data_where_none_may_stand() -> None:
    with pytest.raises(RefusedValue, match="late"):
        fill_script(("SELECT ", LATE), dialect("mysql"))


@pytest.mark.parametrize(
    ("sql", "conn_type", "options", "says"),
    [
        ("", "mysql", {}, "there is no statement"),
        ("-- nothing", "mysql", {}, "there is no statement"),
        (
            "INSERT INTO t VALUES (1);\nCREATE TABLE u (a int)",
            "mysql",
            {"transaction": True},
            "line 2: CREATE",
        ),
        ("SELECT 1; SELECT 2", "postgres", {"one_query": True}, "more than one statement"),
        ("DELETE FROM t", "postgres", {"one_query": True}, "one SELECT belongs here, and in PostgreSQL"),
    ],
)
def test_what_would_be_refused(sql: str, conn_type: str, options: dict[str, bool], says: str) -> None:
    assert says in (problem(sql, conn_type, **options) or "")


@pytest.mark.parametrize(
    ("sql", "conn_type", "options"),
    [
        ("CREATE TABLE u (a int)", "mysql", {}),
        ("CREATE TABLE u (a int)", "postgres", {"transaction": True}),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "postgres", {"one_query": True}),
    ],
)
def test_what_is_good(sql: str, conn_type: str, options: dict[str, bool]) -> None:
    assert problem(sql, conn_type, **options) is None
