from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dag_factory.diagnostics import Problem, SpecError
from dag_factory.validation import validate_file

INVALID = Path(__file__).parents[1] / "flows" / "invalid"


def problems_of(path: Path, **options: Any) -> list[Problem]:
    """Everything that is wrong with a spec, warnings of a good one too."""
    try:
        return list(validate_file(path, **options).warnings)
    except SpecError as error:
        return list(error.problems)


@pytest.mark.parametrize("spec", sorted(INVALID.glob("*.flow.yaml")), ids=lambda spec: spec.name[: -len(".flow.yaml")])
def test_every_problem_is_told_with_its_place(spec: Path) -> None:
    """Beside each spec stands what is to be told of it."""
    expected = json.loads(spec.with_name(spec.name.replace(".flow.yaml", ".expected.json")).read_text())
    found = problems_of(spec, shown_as=spec.name)
    keys = ("file", "line", "column", "code", "severity", "suggestion")
    assert [{key: getattr(problem, key) for key in keys} for problem in found] == expected
    assert all(problem.message and problem.message.isprintable() for problem in found)
