"""What can be said of names without Airflow."""

from __future__ import annotations

from datetime import datetime, timezone

from dms_provider.variables.known import known_values
from dms_provider.variables.run_times import RunTimes
from dms_provider.variables.scope import FlowScope
from dms_provider.variables.values import AuthorText, Data, Value

SCOPE = FlowScope(variables={"month": "yyyyMM"}, constants={"region": "east"}, secrets={"token": "key"})
TIMES = RunTimes.from_run_time(datetime(2023, 8, 4, 3, 0, tzinfo=timezone.utc), "Asia/Shanghai")
LATE = Data(("120",))


def known(
    *names: str,
    node_variables: dict[str, str] | None = None,
    inputs: tuple[str, ...] = ("late",),
    data: dict[str, Data] | None = None,
) -> dict[str, Value]:
    return known_values(
        names,
        scope=SCOPE,
        node_variables=node_variables or {},
        inputs=inputs,
        data=data or {},
        times=TIMES,
        flow_id="daily",
        node_id="load",
    )


def test_authors_text() -> None:
    assert known("month", "region", "bizdate", "node_id") == {
        "month": AuthorText("202308"),
        "region": AuthorText("east"),
        "bizdate": AuthorText("2023-08-03"),
        "node_id": AuthorText("load"),
    }


def test_secrets_are_stars() -> None:
    assert known("token") == {"token": AuthorText("***", secret=True)}


def test_data_where_it_is_known() -> None:
    assert known("late", "run_id", "nothing") == {}
    assert known("late", "run_id", data={"late": LATE, "run_id": LATE}) == {"late": LATE, "run_id": LATE}


def test_an_output_that_the_node_cannot_see_is_not_taken() -> None:
    assert known("late", inputs=(), data={"late": LATE}) == {}


def test_which_of_two_counts() -> None:
    every = {"node_variables": {"late": "dd", "token": "dd", "run_id": "dd"}, "data": {"late": LATE}}
    assert set(known("late", "token", "run_id", **every).values()) == {AuthorText("03")}  # type: ignore[arg-type]
    assert known("token", "bizdate", inputs=("token", "bizdate")) == {}
