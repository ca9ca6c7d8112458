"""A draft takes the published file's place, and the other way round, or nothing happens at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dag_factory import publishing
from tests.dag_factory.cli.conftest import FLOW, Outcome

Command = Callable[..., Outcome]
NEW = FLOW.replace("02:55", "03:55")


@pytest.fixture
def draft(spec: Path) -> Path:
    path = spec.with_name("daily.draft.flow.yaml")
    path.write_text(NEW)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_draft_takes_the_place_of_the_published_spec(command: Command, spec: Path, draft: Path) -> None:
    spec.chmod(0o640)
    outcome = command("publish", draft, "--output", "json")
    assert outcome.status == 0
    assert outcome.json == {"flow": "daily", "file": str(spec)}
    assert names(spec.parent) == ["daily.flow.yaml"]
    assert spec.read_text() == NEW
    assert spec.stat().st_mode & 0o777 == 0o640


def test_there_and_back(command: Command, spec: Path) -> None:
    draft = spec.with_name("daily.draft.flow.yaml")
    outcome = command("unpublish", spec, "--output", "json")
    assert outcome.status == 0
    assert outcome.json == {"flow": "daily__draft", "file": str(draft)}
    assert names(spec.parent) == ["daily.draft.flow.yaml"]
    assert command("publish", draft).out == f"daily is {spec}\n"
    assert spec.read_text() == FLOW


def test_the_published_file_keeps_its_ending(command: Command, spec: Path, draft: Path) -> None:
    other = spec.rename(spec.with_name("daily.flow.yml"))
    assert command("publish", draft).status == 0
    assert names(spec.parent) == ["daily.flow.yml"]
    assert other.read_text() == NEW


def test_a_bad_draft_is_not_published(command: Command, spec: Path, draft: Path) -> None:
    draft.write_text(NEW.replace("[late]", "[lat]"))
    outcome = command("publish", draft, "--output", "json")
    assert outcome.status == 1
    assert [problem["code"] for problem in outcome.json] == ["unknown-node"]
    assert spec.read_text() == FLOW


def test_a_bad_spec_can_be_unpublished(command: Command, spec: Path) -> None:
    spec.write_text(FLOW.replace("[late]", "[lat]"))
    outcome = command("unpublish", spec, "--output", "json")
    assert outcome.status == 0
    assert outcome.json["flow"] == "daily__draft"
    assert "unknown-node" in outcome.err
    assert names(spec.parent) == ["daily.draft.flow.yaml"]


@pytest.mark.parametrize(
    ("command_name", "file", "others", "status", "message"),
    [
        ("publish", "daily.flow.yaml", {}, 2, "is no draft"),
        ("publish", "daily.txt", {"daily.txt": FLOW}, 2, "is no flow spec"),
        ("publish", "nobody.draft.flow.yaml", {}, 2, "there is no file"),
        ("publish", "daily.draft.flow.yaml", {"daily.flow.yml": FLOW}, 1, "are both published"),
        (
            "publish",
            "daily.draft.flow.yaml",
            {"daily.draft.flow.yaml": NEW.replace("id: daily", "id: hourly")},
            1,
            "is the flow 'daily', the draft would make it 'hourly'",
        ),
        (
            "publish",
            "hourly.draft.flow.yaml",
            {"hourly.draft.flow.yaml": FLOW},
            1,
            "'daily' is the id of",
        ),
        ("unpublish", "daily.draft.flow.yaml", {}, 2, "is a draft"),
        ("unpublish", "daily.flow.yaml", {}, 1, "would be lost"),
    ],
)
def test_nothing_is_moved_where_it_makes_no_sense(
    command: Command,
    spec: Path,
    draft: Path,
    command_name: str,
    file: str,
    others: dict[str, str],
    status: int,
    message: str,
) -> None:
    for name, text in others.items():
        spec.with_name(name).write_text(text)
    before = {path: path.read_text() for path in spec.parent.iterdir()}
    outcome = command(command_name, spec.with_name(file))
    assert (outcome.status, outcome.out) == (status, "")
    assert message in outcome.err
    assert {path: path.read_text() for path in spec.parent.iterdir()} == before


def test_a_link_is_not_replaced(command: Command, spec: Path, draft: Path) -> None:
    real = spec.rename(spec.parent.parent / "real.yaml")
    spec.symlink_to(real)
    outcome = command("publish", draft)
    assert outcome.status == 1
    assert "symbolic link" in outcome.err
    assert spec.is_symlink()


def test_a_draft_that_changes_meanwhile_is_not_published(
    spec: Path, draft: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_and_change(*arguments: object, **options: object) -> object:
        try:
            return validate_bytes(*arguments, **options)
        finally:
            draft.write_text(NEW.replace("[late]", "[lat]"))

    validate_bytes = publishing.validate_bytes
    monkeypatch.setattr(publishing, "validate_bytes", check_and_change)
    with pytest.raises(publishing.PublishError, match="was changed while it was checked"):
        publishing.publish(draft)
    assert spec.read_text() == FLOW


def test_a_crash_leaves_the_old_version_or_the_new_one(
    spec: Path, draft: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No call that changes the folder but one: the state before it and the state after it are whole."""
    moves = []

    def crash_after(source: Path, target: Path) -> None:
        moves.append((source.read_text(), target.read_text()))
        os.rename(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(publishing.os, "replace", crash_after)
    with pytest.raises(KeyboardInterrupt):
        publishing.publish(draft)
    assert moves == [(NEW, FLOW)]
    assert (names(spec.parent), spec.read_text()) == (["daily.flow.yaml"], NEW)


def test_a_folder_that_cannot_be_written(
    command: Command, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(source))

    monkeypatch.setattr(publishing.os, "replace", refuse)
    outcome = command("unpublish", spec, "--output", "json")
    assert (outcome.status, outcome.out) == (1, "")
    assert "Permission denied" in outcome.err
    assert names(spec.parent) == ["daily.flow.yaml"]
