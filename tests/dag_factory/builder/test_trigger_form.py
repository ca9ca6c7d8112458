"""Fields of the trigger form, and that what they say reaches the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from dag_factory.builder import build_dag, trigger_form
from dag_factory.validation import Validated, validate_bytes
from dms_provider.variables.run_conf import read_run_conf

SPEC = b"""\
version: 1
owner: alice
nodes:
  a: {type: single_instance_sql, database: w, sql: SELECT 1}
  b: {type: single_instance_sql, database: w, sql: SELECT 2}
"""


@pytest.fixture
def flow() -> Validated:
    return validate_bytes(SPEC, file="f", path=Path("f.flow.yaml"), root=None)


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DMS__TRIGGER_FORM", "True")
    monkeypatch.setattr("dag_factory.builder.dag.is_wanted", trigger_form.is_wanted.__wrapped__)


def test_there_is_no_form_unless_it_is_asked_for(flow: Validated) -> None:
    assert not build_dag(flow).params


@pytest.mark.usefixtures("wanted")
def test_the_form_has_typed_fields_that_may_stay_empty(flow: Validated) -> None:
    params = build_dag(flow).params
    params.validate()
    assert sorted(params) == ["dms_business_time", "dms_dry_run", "dms_from_node", "dms_node"]
    assert params.get_param("dms_node").schema["enum"] == [None, "a", "b"]


@pytest.mark.usefixtures("wanted")
def test_the_start_of_a_task_needs_no_form(flow: Validated) -> None:
    assert not build_dag(flow, for_task=True).params


def test_what_the_form_says_is_read() -> None:
    form = {"dms_business_time": "2024-02-29T00:00:00+08:00", "dms_dry_run": True, "dms_node": "a"}
    conf = read_run_conf({**form, "dms_from_node": None})
    assert (conf.business_time, conf.dry_run, conf.node, conf.from_node) == (
        "2024-02-29T00:00:00+08:00",
        True,
        "a",
        None,
    )


def test_a_form_that_was_left_empty_says_nothing() -> None:
    empty = {"dms_business_time": None, "dms_dry_run": False, "dms_node": None, "dms_from_node": None}
    assert read_run_conf(empty) == read_run_conf({})


def test_what_the_scheduler_decided_wins_over_the_form() -> None:
    conf = read_run_conf({"dms_business_time": "2024-01-01", "dms": {"business_time": "2024-01-02"}})
    assert conf.business_time == "2024-01-02"
