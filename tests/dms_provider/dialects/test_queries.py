"""Which texts are one query that changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dms_provider.dialects import dialect, is_query, query_problem
from dms_provider.variables.references import DataReference
from dms_provider.variables.values import Data

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "queries.yaml").read_text(encoding="utf-8"))
ALL = ["mysql", "postgres", "sqlite", "oracle", "ibmdb2", "mssql"]


@pytest.mark.parametrize(
    ("conn_type", "sql", "problem"),
    [(conn_type, case["sql"], case["problem"]) for case in CASES for conn_type in case.get("dialects", ALL)],
)
def test_query(conn_type: str, sql: str, problem: str | None) -> None:
    found = query_problem((sql,), dialect(conn_type))
    assert is_query((sql,), dialect(conn_type)) is (problem is None)
    assert found is None if problem is None else problem in (found or ""), found


def test_data_in_a_query() -> None:
    day = DataReference("day", Data(("'; DROP TABLE t",)))
    assert is_query(("SELECT * FROM t WHERE day = '", day, "'"), dialect("mysql"))
    assert not is_query(("SELECT * FROM t WHERE day = '", day, "'; SELECT 2"), dialect("mysql"))


PIECES = [
    "SELECT ",
    "1 ",
    ";",
    "'",
    "''",
    '"',
    "`",
    "/*",
    "*/",
    "/*!",
    "--",
    "-- ",
    "\n",
    "#",
    "\\",
    "INTO ",
    "DROP TABLE t ",
]
PIECES += ["DELETE FROM t ", "WITH a AS ", "(", ")", "FOR ", "UPDATE ", "$$", "\n/\n", "E'", ","]


@pytest.mark.parametrize("conn_type", ["mysql", "postgres", "sqlite", "oracle"])
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=12))
def test_a_query_is_one_statement_whatever_it_is_made_of(conn_type: str, pieces: list[str]) -> None:
    sql = "SELECT 1 " + "".join(pieces)
    if is_query((sql,), dialect(conn_type)):
        (statement,) = dialect(conn_type).split((sql,))
        assert str(statement.text[0]).startswith("SELECT")
