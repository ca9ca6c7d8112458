"""Patterns that can be read, and surely say something other than was meant."""

from __future__ import annotations

import pytest

from dag_factory.checks.patterns import slip_of
from dag_factory.diagnostics import Problem, SpecError
from dag_factory.validation import validate_bytes

NODE = "nodes:\n  a: {type: single_instance_sql, database: w, sql: SELECT 1}\n"


def problems(text: str) -> tuple[Problem, ...]:
    try:
        return validate_bytes(
            f"version: 1\nowner: alice\n{text}".encode(), file="x.flow.yaml", path=None, root=None
        ).warnings
    except SpecError as error:
        return error.problems


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("yyyy-MM-DD", "yyyy-MM-dd"),
        ("YYYYMMDD", "yyyyMMdd"),
        ("YYYY", "yyyy"),
        ("DD", "dd"),
        ("yyyymmdd", "yyyyMMdd"),
        ("yyyy/m/d", "yyyy/M/d"),
        ("yyyy-MM-dd HH:MM:ss", "yyyy-MM-dd HH:mm:ss"),
        ("yyyyMMddhh", "yyyyMMddHH"),
        ("yyyy-MM-dd KK:mm", "yyyy-MM-dd HH:mm"),
        ("yyyyMM|-1m", "yyyyMM|-1M"),
        ("YYYYMM|+1y-12m", "yyyyMM|+1y-12M"),
        ("yyyyMMdd-1d", "yyyyMMdd|-1d"),
        ("yyyyMM+1M-1d", "yyyyMM|+1M-1d"),
        ("%Y-%m-%d", "yyyy-MM-dd"),
        ("${yyyyMMdd}", "yyyyMMdd"),
        ("$[yyyyMMdd]", "yyyyMMdd"),
        ("'DD' yyyy-MM-DD", "'DD' yyyy-MM-dd"),
    ],
)
def test_a_slip_is_told_with_what_was_meant(pattern: str, meant: str) -> None:
    quoted = pattern.replace("'", "''")
    (problem,) = problems(f"variables: {{v: '{quoted}'}}\n{NODE}")
    assert (problem.code, problem.severity) == ("unusual-pattern", "warning")
    assert problem.suggestion == meant
    assert slip_of(meant) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "yyyy-MM-dd", "yyyyDDD", "DDD", "YYYY-'W'ww", "YYYYw-e", "hh:mm a", "KK:mm a", "HH:mm:ss|-5m",
        "yyyyMMddHH|-5m", "yyyyMMdd|-30m", "mm", "mm:ss", "HHmm", "MM", "yyyyMM01", "yyyy-01-01",
        "'YYYY'yyyy", "yyyyMMdd|-1d-2M", "2023-01-01", "yyyy年MM月dd日", "'|'yyyy|-1d",
    ],
)  # fmt: skip
def test_what_can_be_meant_is_not_told(pattern: str) -> None:
    quoted = pattern.replace("'", "''")
    assert problems(f"variables: {{v: '{quoted}'}}\n{NODE}") == ()


CHECK = "type: table_time_check, database: w, table: t"


@pytest.mark.parametrize(
    ("written", "code", "suggestion"),
    [
        ("yyyyMMdd", None, None),
        ("epoch", None, None),
        ("epoch_ms", None, None),
        ("epoc", "wrong-pattern", "epoch"),
        ("nonsense", "wrong-pattern", None),
        ("yyyyMMDD", "wrong-pattern", "yyyyMMdd"),
        ("ddMMyyyy", "wrong-pattern", None),
        ("yyyyMMdd|-1d", "wrong-pattern", None),
    ],
)
def test_the_time_format_of_a_check_is_a_pattern(
    written: str, code: str | None, suggestion: str | None
) -> None:
    node = f"{CHECK}, time_column: c, since: 2026-11-01, time_format: {written}"
    found = problems(f"nodes:\n  a: {{{node}}}\n")
    assert [(problem.code, problem.suggestion) for problem in found] == ([(code, suggestion)] if code else [])
