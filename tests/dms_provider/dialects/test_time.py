"""Time grows with the length of a script and of a list, no faster: data decides how long a list is.

What is measured is CPU time: other work of the machine counts for nothing.
"""

from __future__ import annotations

import time

import pytest

from dms_provider.dialects import dialect, substitute
from dms_provider.variables.references import DataReference
from dms_provider.variables.values import Data

DIALECTS = ["mysql", "postgres", "sqlite"]


@pytest.mark.parametrize("conn_type", DIALECTS)
@pytest.mark.parametrize("comment", ["-" * 36, "-- " * 12, " -" * 36, "/*" * 18])
def test_comments_behind_a_literal(conn_type: str, comment: str) -> None:
    begin = time.thread_time()
    list(dialect(conn_type).split((f"SELECT 'a' {comment} b\nFROM t",)))
    assert time.thread_time() - begin < 2


@pytest.mark.parametrize("conn_type", DIALECTS)
@pytest.mark.parametrize(
    ("before", "combiner", "behind"),
    [
        ("SELECT 1 WHERE 'a' IN ('", "','", "')"),
        ("SELECT '", ",", "'"),
        ("SELECT ", ",", " "),
        ("SELECT '''", ",", "'"),
        ("SELECT 'a' /* ' */ '", "-", "'"),
    ],
)
def test_long_lists(conn_type: str, before: str, combiner: str, behind: str) -> None:
    elements = tuple(str(number) for number in range(6000))
    begin = time.thread_time()
    sql = substitute((before, DataReference("x", Data(elements, combiner)), behind), dialect(conn_type))
    assert time.thread_time() - begin < 10
    assert all(element in sql for element in elements[:100])
