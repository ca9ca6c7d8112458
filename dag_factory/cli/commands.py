"""The table of commands, with their arguments as ``argparse`` knows them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

GOOD = 0
PROBLEM = 1
WRONG_USAGE = 2


class UsageError(Exception):
    """The command cannot be done as it was asked for; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command.

    :param flags: name of a positional argument, or the option's names
    :param settings: keyword arguments of ``add_argument``
    """

    flags: tuple[str, ...]
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    :param name: as it is typed
    :param help: one line
    :param module: module whose ``run(arguments) -> exit status`` does it, imported only then
    :param arguments: in the order of the help
    """

    name: str
    help: str
    module: str
    arguments: tuple[Argument, ...]

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it and return the exit status."""
        run: Callable[[argparse.Namespace], int] = import_module(self.module).run
        return run(arguments)


def _argument(*flags: str, **settings: Any) -> Argument:
    return Argument(flags, settings)


def at_least_one(text: str) -> int:
    """Return the number in ``text``; argparse turns the error into its own message."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("the number must be 1 or more")
    return number


_FILE = _argument("file", metavar="FILE", help="a flow spec")
_OUTPUT = _argument(
    "--output",
    choices=("text", "json"),
    default="text",
    help="json prints one JSON document on standard output and nothing else there",
)
_ROOT = _argument(
    "--root",
    metavar="DIR",
    help="the folder that holds all specs, and all files that they name;"
    " default: the folder given, or the folder of the file given",
)

COMMANDS: tuple[Command, ...] = (
    Command(
        "validate",
        "Tell every problem of flow specs, with file, line and column",
        "dag_factory.cli.validate",
        (
            _argument("paths", nargs="+", metavar="PATH", help="a flow spec, or a folder of them"),
            _ROOT,
            _OUTPUT,
        ),
    ),
    Command(
        "schema",
        "Print the JSON Schema of a flow spec, for editors",
        "dag_factory.cli.schema",
        (_argument("--output", choices=("json",), default="json", help="the schema is JSON"),),
    ),
    Command(
        "preview",
        "Show what each node of a flow would execute",
        "dag_factory.cli.preview",
        (
            _FILE,
            _ROOT,
            _argument(
                "--run-time",
                metavar="T",
                help="run time, ISO 8601, without a zone of the flow's; default: now",
            ),
            _argument(
                "--business-time", metavar="T", help="business time; the run time is that plus one day"
            ),
            _argument(
                "--set",
                action="append",
                default=[],
                metavar="NAME=VALUE",
                dest="outputs",
                help="value of an output of an upstream node; may be given many times",
            ),
            _argument("--node", metavar="N", help="show this node only"),
            _argument(
                "--dialect",
                metavar="TYPE",
                help="connection type whose dialect is used where there is no such connection here",
            ),
            _OUTPUT,
        ),
    ),
    Command(
        "schedule",
        "List the run times of a flow",
        "dag_factory.cli.schedule",
        (
            _FILE,
            _ROOT,
            _argument(
                "--from", metavar="T", dest="start", help="list from this time on, inclusive; ISO 8601"
            ),
            _argument("--to", metavar="T", dest="end", help="list until this time, exclusive"),
            _argument(
                "--next",
                type=at_least_one,
                metavar="N",
                dest="count",
                help="how many of the coming times; default: 10",
            ),
            _OUTPUT,
        ),
    ),
)
