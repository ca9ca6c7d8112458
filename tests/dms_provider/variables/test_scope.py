"""The value of each name that a node can see."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from dms_provider.variables.run_conf import RunConfError
from dms_provider.variables.run_times import RunTimes
from dms_provider.variables.scope import (
    SYSTEM_VARIABLES,
    FlowScope,
    MissingValue,
    author_values,
    resolve,
)
from dms_provider.variables.values import AuthorText, Data

RUN_AFTER = datetime(2021, 8, 12, 3, 5, 21, tzinfo=timezone.utc)
TIMES = RunTimes.from_run_time(RUN_AFTER, "Asia/Shanghai")
SCOPE = FlowScope(
    variables={"month": "yyyyMM|-1M", "weekday": "E"},
    constants={"region": "east"},
    secrets={"token": "report_token"},
    flow_name="Daily flight report",
)


class TaskInstance:
    """A task instance as far as variables need it; counts what is read."""

    task_id = "load"

    def __init__(self, xcoms: dict[str, Any]) -> None:
        self.xcoms = xcoms
        self.pulled: list[tuple[str, str]] = []

    def xcom_pull(self, task_ids: str, *, key: str) -> Any:
        self.pulled.append((task_ids, key))
        return self.xcoms.get(task_ids)


def context(xcoms: dict[str, Any] | None = None, conf: dict[str, Any] | None = None) -> dict[str, Any]:
    dag_run = SimpleNamespace(run_after=RUN_AFTER, conf=conf, dag_id="daily_flights", run_id="manual__'x")
    return {"dag_run": dag_run, "ti": TaskInstance(xcoms or {})}


def author(
    name: str, scope: FlowScope = SCOPE, node_variables: dict[str, str] | None = None
) -> AuthorText | None:
    values = author_values(
        [name],
        scope=scope,
        node_variables=node_variables or {},
        times=TIMES,
        flow_id="daily_flights",
        node_id="load",
    )
    return values.get(name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bizdate", "2021-08-11"),
        ("business_time", "2021-08-11 11:05:21"),
        ("run_time", "2021-08-12 11:05:21"),
        ("flow_id", "daily_flights"),
        ("flow_name", "Daily flight report"),
        ("node_id", "load"),
        ("month", "202107"),
        ("weekday", "星期三"),
        ("region", "east"),
    ],
)
def test_author_values(name: str, text: str) -> None:
    assert author(name) == AuthorText(text)


def test_what_the_author_did_not_write_is_left_out() -> None:
    assert author("run_id") is None
    assert author("token") is None
    assert author("nobody") is None


def test_words_are_of_the_flows_locale() -> None:
    assert author("weekday", FlowScope(locale="en", variables={"weekday": "EEEE"})) == AuthorText("Wednesday")


def test_a_flow_without_a_name() -> None:
    assert author("flow_name", FlowScope()) == AuthorText("daily_flights")


def test_precedence() -> None:
    everything = {
        "node": ("d", "11"),
        "input": ("", "of upstream"),
        "variable": ("yyyy", "2021"),
        "constant": ("fixed", "fixed"),
        "secret": ("key", "hush-hush"),
        "system": ("", "2021-08-11"),
    }
    variables = {"key": "hush-hush"}
    for left_out in range(len(everything)):
        kinds = list(everything)[left_out:]
        scope = FlowScope(
            variables={"bizdate": "yyyy"} if "variable" in kinds else {},
            constants={"bizdate": "fixed"} if "constant" in kinds else {},
            secrets={"bizdate": "key"} if "secret" in kinds else {},
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("airflow.sdk.Variable.get", lambda key, default=None: variables.get(key, default))
            values = resolve(
                ["bizdate"],
                scope=scope,
                node_variables={"bizdate": "d"} if "node" in kinds else {},
                inputs={"bizdate": "late"} if "input" in kinds else {},
                context=context({"late": {"bizdate": Data(("of upstream",)).to_xcom()}}),
            )
        assert values["bizdate"].text == everything[kinds[0]][1]


def outputs(names: list[str], task_context: dict[str, Any], **inputs: str) -> dict[str, Any]:
    return dict(resolve(names, scope=SCOPE, node_variables={}, inputs=inputs, context=task_context))


def test_outputs_come_from_one_xcom_of_each_upstream_node() -> None:
    many = Data(("1", None, "3"), combiner="','", type="number")
    task_context = context({"late": {"n": Data(("5",)).to_xcom(), "ids": many.to_xcom()}, "other": {"x": 1}})
    assert outputs(["n", "ids"], task_context, n="late", ids="late", x="other") == {
        "n": Data(("5",)),
        "ids": many,
    }
    assert task_context["ti"].pulled == [("late", "dms_outputs")]


def test_an_output_given_with_the_trigger_stands_in_for_one_that_is_not_there() -> None:
    conf = {"dms": {"outputs": {"n": "1'; DROP TABLE t", "m": 7}}}
    task_context = context({"late": {"m": Data(("5",)).to_xcom()}}, conf)
    assert outputs(["n", "m"], task_context, n="late", m="late") == {
        "n": Data(("1'; DROP TABLE t",)),
        "m": Data(("5",)),
    }


@pytest.mark.parametrize("stored", [None, [], {}, {"other": Data(("1",)).to_xcom()}])
def test_a_missing_output_is_named_with_its_node(stored: Any) -> None:
    with pytest.raises(MissingValue, match=r"\$\{n\} has no value: node late should have given it"):
        outputs(["n"], context({"late": stored}), n="late")


@pytest.mark.parametrize(
    "stored",
    [
        "text",
        {"n": "5"},
        {"n": {"elements": ["5"]}},
        {"n": {"elements": "55", "combiner": ",", "type": "text"}},
        {"n": {"elements": [5], "combiner": None, "type": "text"}},
        {"n": {"elements": ["5", "6"], "combiner": None, "type": "text"}},
        {"n": {"elements": ["5"], "combiner": 1, "type": "text"}},
        {"n": {"elements": ["5"], "combiner": None, "type": "sql"}},
        {"n": None},
    ],
)
def test_an_xcom_that_is_no_output(stored: Any) -> None:
    with pytest.raises(MissingValue, match="node late"):
        outputs(["n"], context({"late": stored}), n="late")


def test_only_what_is_named_is_read() -> None:
    task_context = context()
    assert outputs(["bizdate"], task_context, n="late") == {"bizdate": AuthorText("2021-08-11")}
    assert task_context["ti"].pulled == []


def test_the_run_id_is_data() -> None:
    assert outputs(["run_id"], context()) == {"run_id": Data(("manual__'x",))}


def test_an_unknown_name_is_left_out() -> None:
    assert outputs(["nobody"], context()) == {}


def test_a_wrong_conf_fails_before_anything_is_read() -> None:
    task_context = context(conf={"dms": {"outptus": {}}})
    with pytest.raises(RunConfError, match="outptus"):
        outputs(["n"], task_context, n="late")
    assert task_context["ti"].pulled == []


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Define an Airflow Variable the way that Airflow reads it from the environment."""

    def define(key: str, value: str) -> None:
        monkeypatch.setenv(f"AIRFLOW_VAR_{key.upper()}", value)

    return define


def test_a_secret_is_marked_and_masked(variable: Callable[[str, str], None]) -> None:
    from airflow.sdk._shared.secrets_masker import redact

    variable("report_token", "s3cr3t-of-ours\nsecond-line-of-it")
    assert outputs(["token"], context()) == {
        "token": AuthorText("s3cr3t-of-ours\nsecond-line-of-it", secret=True)
    }
    assert redact("x s3cr3t-of-ours\nsecond-line-of-it y") in ("x *** y", "x ***\n*** y")
    assert redact("x s3cr3t-of-ours y second-line-of-it") == "x *** y ***"


def test_a_secret_that_does_not_exist() -> None:
    with pytest.raises(
        MissingValue, match=r"\$\{token\} .* Airflow Variable report_token, which does not exist"
    ):
        outputs(["token"], context())


def test_system_variables_are_all_there() -> None:
    assert outputs(sorted(SYSTEM_VARIABLES), context()).keys() == SYSTEM_VARIABLES


def test_no_airflow_is_loaded_for_what_needs_none() -> None:
    program = "import sys, dms_provider.variables, dms_provider.conditions; print('airflow' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
