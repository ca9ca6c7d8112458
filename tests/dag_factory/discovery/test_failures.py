"""A flow that no check finds fault with and that cannot be built is an import error of its own spec."""

from __future__ import annotations

from typing import Any

import pytest

from dag_factory.builder import build_dag
from dag_factory.discovery import failures, loader, survey
from dag_factory.discovery.layout import Layout
from tests.dag_factory.discovery.conftest import Workplace

BROKEN = "REFUSED BY THE BUILDER"


@pytest.fixture(autouse=True)
def builder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Break the builder for specs with a certain word."""

    def build(validated: Any, **kwargs: Any) -> Any:
        if BROKEN in validated.text or BROKEN in "".join(validated.file_texts.values()):
            raise TypeError("no\nsuch thing")
        return build_dag(validated, **kwargs)

    monkeypatch.setattr(loader, "build_dag", build)


def parsed(workplace: Workplace) -> tuple[set[str], dict[str, str]]:
    """Return the DAGs and the import errors of a second round: the first finds out, the second tells."""
    workplace.refresh()
    workplace.bag()
    workplace.refresh()
    bag = workplace.bag()
    return set(bag.dags), dict(bag.import_errors)


def break_one(workplace: Workplace) -> None:
    workplace.good("good.flow.yaml", "good")
    bad = workplace.good("reports/bad.flow.yaml", "bad")
    workplace.write("reports/bad.flow.yaml", bad.read_text() + f"description: {BROKEN}\n")


def test_one_line_under_the_name_of_the_spec_in_every_round(workplace: Workplace) -> None:
    break_one(workplace)
    for _ in range(3):
        dags, errors = parsed(workplace)
        assert dags == {"good"}
        assert list(errors) == ["reports/bad.flow.yaml.py"]
        (line,) = errors["reports/bad.flow.yaml.py"].strip().splitlines()[1:]
        assert line == (
            "reports/bad.flow.yaml:1:1: internal-error this is a fault of the DAG factory:"
            " TypeError: no such thing"
        )


def test_gone_when_the_spec_changes(workplace: Workplace) -> None:
    break_one(workplace)
    assert parsed(workplace)[1]
    workplace.good("reports/bad.flow.yaml", "bad", 2)
    assert workplace.dags() == {"good", "bad"}
    assert workplace.errors() == {}
    assert notes(workplace) == []


def test_gone_when_a_file_of_the_spec_changes(workplace: Workplace) -> None:
    spec = workplace.good("bad.flow.yaml", "bad")
    workplace.write("bad.flow.yaml", spec.read_text().replace("sql: SELECT 1", "sql_file: bad.sql"))
    workplace.write("bad.sql", f"SELECT '{BROKEN}'")
    assert list(parsed(workplace)[1]) == ["bad.flow.yaml.py"]
    workplace.write("bad.sql", "SELECT 1")
    assert workplace.dags() == {"bad"}
    assert notes(workplace) == []


def test_gone_with_another_version_of_the_package(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_one(workplace)
    assert parsed(workplace)[1]
    monkeypatch.setattr(loader, "build_dag", build_dag)
    assert workplace.dags() == {"good"}
    for module in (failures, survey):
        monkeypatch.setattr(module, "__version__", "99.0")
    assert workplace.dags() == {"good", "bad"}
    assert workplace.errors() == {}


def test_gone_with_the_spec(workplace: Workplace) -> None:
    break_one(workplace)
    assert parsed(workplace)[1]
    (workplace.specs / "reports" / "bad.flow.yaml").unlink()
    assert workplace.errors() == {}
    assert notes(workplace) == []


def test_a_spec_that_changed_between_the_build_and_the_survey_is_tried_again(workplace: Workplace) -> None:
    break_one(workplace)
    workplace.refresh()
    workplace.bag()
    workplace.good("reports/bad.flow.yaml", "bad", 2)
    assert workplace.dags() == {"good", "bad"}


def test_a_damaged_note_is_removed(workplace: Workplace) -> None:
    break_one(workplace)
    workplace.refresh()
    workplace.bag()
    folder = Layout(workplace.bundle().path.parent).failures
    (note,) = folder.iterdir()
    note.write_bytes(b'{"spec": "rep')
    assert workplace.dags() == {"good"}
    assert list(workplace.errors()) == ["reports/bad.flow.yaml.py"]


def notes(workplace: Workplace) -> list[str]:
    """Return the names of the notes that are left."""
    folder = Layout(workplace.bundle().path.parent).failures
    return [note.name for note in folder.iterdir()]
