"""The one spec that a command is about, and the times that were asked for."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime
from pathlib import Path

from dag_factory.cli.commands import UsageError
from dag_factory.cli.output import note, shown
from dag_factory.validation import Validated, validate_file
from dms_provider.variables.run_times import parse_time


def read_spec(arguments: Namespace) -> Validated:
    """Read and check the spec that the arguments name; tell its warnings.

    :raises UsageError: there is no such file
    :raises SpecError: the spec has errors
    """
    path = Path(arguments.file)
    if not path.is_file():
        raise UsageError(f"there is no file {arguments.file!r}")
    root = None if arguments.root is None else Path(arguments.root)
    validated = validate_file(path, root=root, shown_as=arguments.file)
    for warning in validated.warnings:
        note(shown(warning))
    return validated


def read_time(option: str, text: str, timezone: str) -> datetime:
    """Return the time that an option gives; without a zone it is of the flow's.

    :raises UsageError: it is no time
    """
    try:
        return parse_time(text, timezone)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
