from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dag_factory.cli.conftest import FLOW, Outcome

Command = Callable[..., Outcome]


def test_a_good_spec(command: Command, spec: Path) -> None:
    assert command("validate", spec) == (0, "", "1 spec: 0 errors, 0 warnings\n")
    assert command("validate", spec, "--output", "json").json == []


def test_every_problem_of_every_file_one_line_each(command: Command, spec: Path) -> None:
    other = spec.with_name("other.flow.yml")
    other.write_text("version: 1\nowner: bob\nnods: {}\n")
    spec.write_text(FLOW.replace("${region}", "${regio}").replace("[late]", "[lat]"))
    outcome = command("validate", spec.parent)
    assert outcome.status == 1
    assert outcome.err == "2 specs: 4 errors, 0 warnings\n"
    lines = [line.removeprefix(f"{spec.parent}/") for line in outcome.out.splitlines()]
    assert [line.split(" ")[:2] for line in lines] == [
        ["daily.flow.yaml:14:78:", "undefined-variable"],
        ["daily.flow.yaml:20:13:", "unknown-node"],
        ["other.flow.yml:1:1:", "missing-key"],
        ["other.flow.yml:3:1:", "unknown-key"],
    ]
    assert lines[0].endswith("did you mean region?")


def test_json_is_exactly_what_is_documented(command: Command, spec: Path) -> None:
    spec.write_text(FLOW.replace("${region}", "${regio}"))
    (problem,) = command("validate", spec, "--output", "json").json
    assert problem == {
        "file": str(spec),
        "line": 14,
        "column": 78,
        "code": "undefined-variable",
        "severity": "error",
        "message": "nothing defines 'regio': it is no variable, constant, secret or upstream output",
        "suggestion": "region",
    }


def test_a_warning_alone_is_no_failure(command: Command, spec: Path) -> None:
    spec.write_text(FLOW.replace("2999", "2001"))
    outcome = command("validate", spec)
    assert (outcome.status, outcome.err) == (0, "1 spec: 0 errors, 1 warning\n")
    assert outcome.out.startswith(f"{spec}:5:19: past-schedule ")
    assert outcome.out.endswith("(warning)\n")


def test_ids_claimed_twice(command: Command, spec: Path) -> None:
    spec.with_name("copy.flow.yaml").write_text(FLOW)
    spec.with_name("daily.draft.flow.yaml").write_text(FLOW)
    outcome = command("validate", spec.parent)
    assert [line.split(" ")[1] for line in outcome.out.splitlines()] == ["defined-twice", "defined-twice"]
    assert outcome.status == 1


def test_a_file_named_twice_is_one_file(command: Command, spec: Path) -> None:
    assert command("validate", spec, spec.parent, f"{spec.parent}/../flows").status == 0


def test_the_root_is_the_folder_given(command: Command, spec: Path) -> None:
    (spec.parent / "shared.sql").write_text("SELECT 1")
    below = spec.parent / "team" / "b.flow.yaml"
    below.parent.mkdir()
    node = "{type: single_instance_sql, database: w, sql_file: ../shared.sql}"
    below.write_text(f"version: 1\nowner: bob\nnodes:\n  a: {node}\n")
    assert command("validate", spec.parent).status == 0
    assert command("validate", below).status == 1
    assert command("validate", below, "--root", spec.parent).status == 0


@pytest.mark.parametrize(
    "arguments",
    [[], ["validate"], ["validate", "nowhere"], ["validate", ".", "--root", "nowhere"], ["valdate", "."]],
)
def test_wrong_usage(command: Command, arguments: list[str]) -> None:
    outcome = command(*arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err


def test_a_folder_without_specs_says_so(command: Command, tmp_path: Path) -> None:
    outcome = command("validate", tmp_path)
    assert outcome.status == 0
    assert "no flow spec" in outcome.err


def test_airflows_ignore_files_are_honoured(command: Command, spec: Path) -> None:
    hidden = spec.parent / "old" / "gone.flow.yaml"
    hidden.parent.mkdir()
    hidden.write_text("nonsense")
    assert command("validate", spec.parent).status == 1
    (spec.parent / ".airflowignore").write_text("old/\n")
    assert command("validate", spec.parent).status == 0


def test_ignore_files_above_the_folder_are_honoured_up_to_the_root(
    command: Command, spec: Path, tmp_path: Path
) -> None:
    hidden = spec.parent / "team" / "old" / "gone.flow.yaml"
    hidden.parent.mkdir(parents=True)
    hidden.write_text("nonsense")
    shown = spec.parent / "team" / "new.flow.yaml"
    shown.write_text(FLOW)
    (tmp_path / ".airflowignore").write_text("old/\n")
    assert command("validate", spec.parent / "team").status == 1
    outcome = command("validate", spec.parent / "team", "--root", tmp_path)
    assert (outcome.status, outcome.err) == (0, "1 spec: 0 errors, 0 warnings\n")
    assert command("validate", hidden.parent, "--root", tmp_path).err.startswith("no flow spec")


def test_links_are_followed_and_a_loop_is_told(command: Command, spec: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "flows").symlink_to(spec.parent)
    assert command("validate", linked).err.startswith("1 spec:")
    (spec.parent / "loop").symlink_to(linked)
    assert command("validate", linked).status == 2


def test_five_thousand_problems_are_printed_quickly(command: Command, spec: Path) -> None:
    spec.write_text(FLOW + "      -- " + "${nobody} " * 5000 + "\n")
    begin = time.process_time()
    outcome = command("validate", spec)
    assert len(outcome.out.splitlines()) == 5000
    assert time.process_time() - begin < 30
