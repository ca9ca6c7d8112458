"""``since`` that is no point in time on any day."""

from __future__ import annotations

import pytest

from dag_factory.diagnostics import Problem, SpecError
from dag_factory.validation import validate_bytes

SPEC = """\
version: 1
owner: alice
variables: {day: yyyy-MM-dd, digits: yyyyMMdd, hour: 'yyyy-MM-dd HH:00|-1h', written_out: yyyy年M月}
constants: {first: '2026-01-01', word: yesterday}
secrets: {hidden: some_variable}
nodes:
  give: {type: sql_assignment, database: w, sql: SELECT 1, outputs: {newest: {row: 0, column: 0}}}
  wait:
    after: [give]
    type: table_time_check
    database: w
    table: t
    time_column: c
    variables: {own: dd}
    since: %s
"""


def problems(since: str, time_format: str | None) -> tuple[Problem, ...]:
    text = SPEC % since + (f"    time_format: {time_format}\n" if time_format else "")
    try:
        return validate_bytes(text.encode(), file="x.flow.yaml", path=None, root=None).warnings
    except SpecError as error:
        return error.problems


@pytest.mark.parametrize(
    ("since", "time_format"),
    [
        ("2026-11-22", None),
        ("2026-11-22 08:30:00+08:00", None),
        ("'20261122'", None),
        ("1750000000", "epoch"),
        ("${bizdate} 00:00:00", None),
        ("${day}", "yyyyMMdd"),
        ("${hour}", "epoch"),
        ("${digits}", None),
        ("2026-11-${own}", None),
        ("${first} 12:00", None),
        ("${business_time}", "epoch_ms"),
        ("${newest}", None),
        ("${hidden}", "epoch"),
        ("${newest} at noon", None),
    ],
)
def test_what_is_or_may_be_a_point_in_time(since: str, time_format: str | None) -> None:
    assert problems(since, time_format) == ()


@pytest.mark.parametrize(
    ("since", "time_format", "said"),
    [
        ("yesterday", None, "since is 'yesterday', which is no point in time; write yyyy-MM-dd"),
        ("2026-02-30", None, "since is '2026-02-30'"),
        ("${word}", None, "since is 'yesterday'"),
        ("${written_out}", None, "since is '2026\\u5e7410\\u6708'"),
        ("${digits}", "yyyyMMdd", "since is '20261012', which is no point in time; write yyyy-MM-dd"),
        ("${bizdate}T", None, "since is '2026-10-12T'"),
        ("2026-11-22 08:30:00.5", "epoch", "no such fractions of a second"),
    ],
)
def test_what_is_none_is_refused_with_its_place(since: str, time_format: str | None, said: str) -> None:
    (problem,) = problems(since, time_format)
    assert (problem.code, problem.line) == ("wrong-value", 15)
    assert said in problem.message


def test_another_mistake_of_the_same_text_is_told_alone() -> None:
    assert [problem.code for problem in problems("${nobody}", None)] == ["undefined-variable"]
    assert [problem.code for problem in problems("yesterday", "nonsense")] == ["wrong-pattern"]
