"""The one-line loader of a plain DAGs folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from dag_factory.discovery.loader import FlowSpecWarning
from tests.dag_factory.discovery.conftest import GOOD, Workplace, task_of

LOADER = "from dag_factory import load_flows; load_flows()  # Airflow passes over files without its name\n"


def _bag(workplace: Workplace) -> DagBag:
    return DagBag(dag_folder=workplace.specs)


def test_one_line(workplace: Workplace) -> None:
    workplace.good("one.flow.yaml", "os")
    workplace.good("deep/two.flow.yaml", "load_flows")
    workplace.write("flows.py", LOADER)
    assert set(_bag(workplace).dags) == {"os", "load_flows"}


def test_a_bad_spec_is_told_of_and_removes_no_other(workplace: Workplace) -> None:
    workplace.good("one.flow.yaml", "one")
    workplace.write("two.flow.yaml", "version: 1\n")
    workplace.good("zzz.flow.yaml", "one")
    workplace.write("flows.py", LOADER)
    with pytest.warns(UserWarning, match="a flow spec was left out"):
        bag = _bag(workplace)
    assert set(bag.dags) == {"one"}
    assert not bag.import_errors
    (captured,) = bag.captured_warnings.values()
    assert any("FlowSpecWarning: a flow spec was left out: two.flow.yaml:1:1" in text for text in captured)
    assert any("zzz.flow.yaml:2:5: defined-twice" in text for text in captured)


def test_a_task_gets_its_own_dag_only(workplace: Workplace) -> None:
    workplace.good("one.flow.yaml", "one")
    workplace.good("two.flow.yaml", "two")
    workplace.write("three.flow.yaml", "version: 1\n")
    workplace.write(
        "flows.py", LOADER + "from airflow.sdk import DAG\nhand_made = DAG('by_hand', schedule=None)\n"
    )
    with task_of("two"):
        assert set(_bag(workplace).dags) == {"two", "by_hand"}
    with task_of("by_hand"):
        assert set(_bag(workplace).dags) == {"by_hand"}


def test_another_folder_and_what_is_returned(workplace: Workplace, tmp_path: Path) -> None:
    from dag_factory import load_flows

    workplace.good("one.flow.yaml", "one", number=5)
    names: dict[str, object] = {"load_flows": load_flows, "folder": workplace.specs}
    exec("found = load_flows(folder)", names)
    found = names["found"]
    assert isinstance(found, dict)
    assert found["one"].get_task("load").sql == "SELECT 5"
    assert found["one"] in list(names.values())


def test_the_warning_can_be_made_an_error(workplace: Workplace) -> None:
    from dag_factory import load_flows

    workplace.write("two.flow.yaml", GOOD.format(id="two", number=1) + "colour: red\n")
    with pytest.warns(FlowSpecWarning, match="two.flow.yaml:6:1: unknown-key"):
        load_flows(workplace.specs)
