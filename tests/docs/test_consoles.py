"""Every command in the documents does what they show."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import DOCUMENTS, ROOT, Example, examples

ALL = [example for document in DOCUMENTS for example in examples(document) if example.language == "console"]


def commands(example: Example) -> Iterator[tuple[str, str]]:
    """Yield each command with what is shown behind it."""
    command = ""
    shown: list[str] = []
    for line in [*example.text.splitlines(), "$ "]:
        if not line.startswith("$ "):
            shown.append(line)
            continue
        if command:
            yield command, "".join(f"{text}\n" for text in shown)
        command, shown = line[2:], []


COMMANDS = [(example, *command) for example in ALL for command in commands(example)]


def of(program: str) -> list[pytest.param]:  # type: ignore[valid-type]  # pytest's own way to name a case
    return [
        pytest.param(*found, id=f"{found[0]}: {found[1][:60]}")
        for found in COMMANDS
        if found[1].startswith(program)
    ]


@pytest.mark.parametrize(("example", "command", "shown"), of("python -m dag_factory"))
def test_a_command_prints_what_is_shown(
    example: Example, command: str, shown: str, folders: dict[str, Path]
) -> None:
    folder = folders[example.document]
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "TZ": "UTC"}
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == int(example.options.get("status", 0)), done.stdout
    if shown:
        assert done.stdout == shown


@pytest.mark.parametrize(("example", "command", "shown"), of("airflow"))
def test_a_command_of_airflow_has_arguments_that_airflow_knows(
    example: Example, command: str, shown: str
) -> None:
    from airflow.cli.cli_parser import get_parser

    parsed = get_parser().parse_args(shlex.split(command)[1:])
    assert parsed.subcommand


@pytest.mark.parametrize(("example", "command", "shown"), of("./"))
def test_a_program_of_the_checkout_is_there(example: Example, command: str, shown: str) -> None:
    assert os.access(ROOT / shlex.split(command)[0], os.X_OK)


def test_no_command_is_of_another_kind() -> None:
    known = ("python -m dag_factory ", "airflow ", "./", "pip install ")
    assert [command for _, command, _ in COMMANDS if not command.startswith(known)] == []
