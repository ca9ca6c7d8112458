"""What a task start reads and builds: its own flow, wherever its spec is by now."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dag_factory.discovery.layout import Layout, loader_of
from tests.dag_factory.discovery.conftest import GOOD, Workplace, task_of


def _start(workplace: Workplace, dag_id: str) -> dict[str, str]:
    """Start a task as Airflow's task runner does; return DAG id -> SQL of what was built."""
    with task_of(dag_id):
        workplace.bundle().initialize()
        bag = workplace.bag(loader_of(dag_id))
    assert not (bag.dags and bag.import_errors)
    if bag.import_errors:
        raise LookupError(next(iter(bag.import_errors.values())))
    return {dag.dag_id: dag.get_task("load").sql for dag in bag.dags.values()}


@pytest.fixture(params=["laid out", "another machine"])
def flows(request: pytest.FixtureRequest, workplace: Workplace) -> Workplace:
    """Twenty flows, on the machine that laid them out and on one that did not."""
    for number in range(20):
        workplace.good(f"spec_{number}.flow.yaml", f"flow_{number}", number)
    if request.param == "laid out":
        workplace.refresh()
    return workplace


def test_only_the_own_flow_is_built(flows: Workplace) -> None:
    assert _start(flows, "flow_7") == {"flow_7": "SELECT 7"}


def test_no_other_spec_is_read(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        workplace.good(f"spec_{number}.flow.yaml", f"flow_{number}", number)
    workplace.refresh()
    monkeypatch.setattr("dag_factory.discovery.search.find_specs", None)
    for number in range(20):
        if number != 7:
            (workplace.specs / f"spec_{number}.flow.yaml").unlink()
            (workplace.specs / f"spec_{number}.flow.yaml").mkdir()
    assert _start(workplace, "flow_7") == {"flow_7": "SELECT 7"}


def test_edited(flows: Workplace) -> None:
    _start(flows, "flow_7")
    flows.good("spec_7.flow.yaml", "flow_7", 700)
    assert _start(flows, "flow_7") == {"flow_7": "SELECT 700"}


def test_renamed(flows: Workplace) -> None:
    _start(flows, "flow_7")
    (flows.specs / "deep").mkdir()
    (flows.specs / "spec_7.flow.yaml").rename(flows.specs / "deep" / "other.flow.yml")
    assert _start(flows, "flow_7") == {"flow_7": "SELECT 7"}
    assert _start(flows, "flow_7") == {"flow_7": "SELECT 7"}


def test_ids_exchanged(flows: Workplace) -> None:
    _start(flows, "flow_7")
    flows.good("spec_7.flow.yaml", "flow_8", 7)
    flows.good("spec_8.flow.yaml", "flow_7", 8)
    assert _start(flows, "flow_7") == {"flow_7": "SELECT 8"}
    assert _start(flows, "flow_8") == {"flow_8": "SELECT 7"}


def test_id_taken_by_another_spec(flows: Workplace) -> None:
    _start(flows, "flow_7")
    flows.good("spec_3.flow.yaml", "flow_7", 3)
    assert _start(flows, "flow_7") == {"flow_7": "SELECT 7"}
    with pytest.raises(LookupError, match=r"no flow spec .* has the DAG id 'flow_3'"):
        _start(flows, "flow_3")


def test_id_of_two_specs_and_nobody_knows_whose_it_was(workplace: Workplace) -> None:
    workplace.good("one.flow.yaml", "flow", 1)
    workplace.good("two.flow.yaml", "flow", 2)
    with pytest.raises(LookupError, match=r"several flow specs .*one\.flow\.yaml, two\.flow\.yaml"):
        _start(workplace, "flow")


def test_broken(flows: Workplace) -> None:
    _start(flows, "flow_7")
    flows.write("spec_7.flow.yaml", GOOD.format(id="flow_7", number=7) + "colour: red\n")
    with pytest.raises(LookupError, match=r"spec_7\.flow\.yaml:6:1: unknown-key"):
        _start(flows, "flow_7")


def test_removed(flows: Workplace) -> None:
    _start(flows, "flow_7")
    (flows.specs / "spec_7.flow.yaml").unlink()
    with pytest.raises(LookupError, match="no flow spec"):
        _start(flows, "flow_7")


@pytest.mark.parametrize(
    "written", ['"flo\\x77"', "'flow'", "flow # comment", '"fl\\\n  ow"', '\n  "\\u0066low"']
)
def test_every_way_to_write_an_id(workplace: Workplace, written: str) -> None:
    workplace.write("spec.flow.yaml", GOOD.replace("{id}", written).format(number=1))
    assert _start(workplace, "flow") == {"flow": "SELECT 1"}


def test_draft(workplace: Workplace) -> None:
    workplace.good("spec.flow.yaml", "flow", 1)
    workplace.good("spec.draft.flow.yaml", "flow", 2)
    assert _start(workplace, "flow") == {"flow": "SELECT 1"}
    assert _start(workplace, "flow__draft") == {"flow__draft": "SELECT 2"}


def test_a_loader_is_there_although_nobody_laid_out(workplace: Workplace) -> None:
    workplace.good("spec.flow.yaml", "flow", 1)
    _start(workplace, "flow")
    assert set(workplace.files()) == {loader_of("flow")}


def test_what_a_task_found_is_forgotten_with_the_next_refresh(workplace: Workplace) -> None:
    workplace.good("spec.flow.yaml", "flow", 1)
    _start(workplace, "flow")
    layout = Layout(workplace.bundle().path.parent)
    assert layout.hint("flow") == "spec.flow.yaml"
    workplace.refresh()
    assert layout.hint("flow") is None


def test_a_folder_that_cannot_be_written_is_no_obstacle(workplace: Workplace, tmp_path: Path) -> None:
    workplace.good("spec.flow.yaml", "flow", 1)
    workplace.refresh()
    (workplace.specs / "spec.flow.yaml").rename(workplace.specs / "new.flow.yaml")
    hints = workplace.bundle().path.parent / "hints"
    shutil.rmtree(hints, ignore_errors=True)
    hints.write_text("in the way of every hint")
    assert _start(workplace, "flow") == {"flow": "SELECT 1"}
