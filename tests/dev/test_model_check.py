"""The faults of the model check fit the product as it is."""

from __future__ import annotations

import compileall
from pathlib import Path

import pytest

from dev.model_check.faults import FAULTS, NEEDED, Fault, copy_packages
from tests.end_to_end.airflow_instance import REPOSITORY
from tests.end_to_end.model.generator import case


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_changes_a_copy_of_the_product(fault: Fault, tmp_path: Path) -> None:
    copy_packages(tmp_path / "packages", fault)
    for file, old, new in fault.changes:
        assert (REPOSITORY / file).read_text(encoding="utf-8").count(old) == 1
        changed = tmp_path / "packages" / file
        assert old not in changed.read_text(encoding="utf-8")
        assert new in changed.read_text(encoding="utf-8")
        assert compileall.compile_file(changed, quiet=2)


def test_faults_are_of_different_kinds() -> None:
    assert len({fault.kind for fault in FAULTS}) == len(FAULTS) == 15
    assert len(FAULTS) - 1 == NEEDED


def test_among_the_cases_of_a_long_run_are_some_for_each_fault() -> None:
    candidates = [case(seed) for seed in range(60)]
    for fault in FAULTS:
        assert len(fault.cases(candidates, 1)) > 0, fault.name
