"""Every flow in the documents is good, becomes a DAG, and reaches Airflow by the ways that they tell."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization

from dag_factory.builder import build_dag
from dag_factory.builder.nodes import WORK
from dag_factory.diagnostics import SpecError
from dag_factory.spec.nodes import NODE_TYPES
from dag_factory.validation import validate_file
from dms_provider.policies.rules import is_node
from tests.docs.conftest import is_flow, spec_name
from tests.docs.markdown import DAG_FACTORY, DOCUMENTS, Example, examples

ALL = [example for document in DOCUMENTS for example in examples(document)]
FLOWS = [example for example in ALL if is_flow(example)]
BROKEN = [example for example in ALL if example.words == ("broken",)]
LOADERS = [example for example in ALL if example.words == ("dag", "folder")]


@pytest.mark.parametrize("example", FLOWS, ids=str)
def test_a_flow_becomes_a_dag_that_airflow_can_store(example: Example, folders: dict[str, Path]) -> None:
    validated = validate_file(folders[example.document] / spec_name(example))
    assert validated.warnings == ()
    dag = build_dag(validated)
    assert sorted(filter(is_node, dag.task_ids)) == sorted(validated.flow.nodes)
    json.dumps(DagSerialization.to_dict(dag))


@pytest.mark.parametrize("example", BROKEN, ids=str)
def test_a_spec_that_is_shown_as_bad_is_bad(example: Example, folders: dict[str, Path]) -> None:
    with pytest.raises(SpecError):
        validate_file(folders[example.document] / spec_name(example))


@pytest.mark.parametrize("example", LOADERS, ids=str)
def test_the_loader_file_loads_every_good_flow_beside_it(
    example: Example, folders: dict[str, Path], tmp_path: Path
) -> None:
    for spec in folders[example.document].glob("*.flow.yaml"):
        shutil.copy(spec, tmp_path)
    (tmp_path / "load.py").write_text(example.text)
    bag = BundleDagBag(
        dag_folder=tmp_path, bundle_path=tmp_path, bundle_name="docs", collect_dags=False, safe_mode=True
    )
    with pytest.warns(match="a flow spec was left out"):
        bag.process_file(str(tmp_path / "load.py"), safe_mode=True)  # type: ignore[no-untyped-call]  # Airflow's
    assert bag.import_errors == {}
    assert len(bag.dags) == sum(flow.document == example.document for flow in FLOWS)


def test_a_draft_is_a_dag_of_its_own_that_never_runs_by_itself(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    draft = tmp_path / "daily_delays.draft.flow.yaml"
    shutil.copy(folders[DAG_FACTORY] / "daily_delays.flow.yaml", draft)
    dag = build_dag(validate_file(draft), draft=True)
    assert dag.dag_id == "daily_delays__draft"
    assert "draft" in dag.tags
    assert dag.schedule is None


def test_the_reference_has_examples() -> None:
    assert [example for example in FLOWS if example.document == DAG_FACTORY]
    assert LOADERS
    assert BROKEN
    assert NODE_TYPES.keys() == WORK.keys()
