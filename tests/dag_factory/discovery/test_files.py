"""Which files are specs: the same, however they are looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dag_factory.discovery import files
from dag_factory.discovery.files import find_specs

SPECS = ["a.flow.yaml", "deep/er/b.flow.yml", "deep/c.draft.flow.yaml", "z.flow.yaml"]
OTHERS = ["a.yaml", "flow.yaml.txt", "deep/README.md", ".git/refs/heads/d.flow.yaml", "deep/.git/e.flow.yaml"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    specs = tmp_path / "specs"
    for name in SPECS + OTHERS:
        (specs / name).parent.mkdir(parents=True, exist_ok=True)
        (specs / name).write_text("version: 1\n")
    (specs / "folder.flow.yaml").mkdir()
    return specs


def test_without_ignore_files_airflow_need_not_walk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> list[str]:
        raise AssertionError("walked by Airflow")

    monkeypatch.setattr(files, "_find_by_rules", refuse)
    assert find_specs(folder) == sorted(SPECS)


def test_both_ways_find_the_same(folder: Path) -> None:
    (folder / "deep" / "linked.flow.yaml").symlink_to(folder / "z.flow.yaml")
    assert find_specs(folder) == sorted(files._find_by_rules(folder))
    assert "deep/linked.flow.yaml" in find_specs(folder)


def test_an_ignore_file_anywhere_counts(folder: Path) -> None:
    (folder / "deep" / "er" / ".airflowignore").write_text("b.*\n")
    assert find_specs(folder) == ["a.flow.yaml", "deep/c.draft.flow.yaml", "z.flow.yaml"]
    (folder / ".airflowignore").write_text("deep/\n")
    assert find_specs(folder) == ["a.flow.yaml", "z.flow.yaml"]


def test_linked_folders_are_followed_and_loops_told(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "f.flow.yaml").write_text("version: 1\n")
    (folder / "linked").symlink_to(other)
    (folder / "dangling.flow.yaml").symlink_to(tmp_path / "nothing")
    assert find_specs(folder) == sorted([*SPECS, "linked/f.flow.yaml"])
    (other / "back").symlink_to(other)
    with pytest.raises(RuntimeError, match="recursive loop"):
        find_specs(folder)


def test_names_that_are_no_text_and_a_folder_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.flow.yaml")
    (folder / name).write_text("version: 1\n")
    assert name in find_specs(folder)
    assert find_specs(tmp_path / "nowhere") == []
