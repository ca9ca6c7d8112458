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
    :param module: what does it, imported only then
    :param arguments: in the order of the help
    :param function: of the module: ``function(arguments) -> exit status``
    """

    name: str
    help: str
    module: str
    arguments: tuple[Argument, ...]
    function: str = "run"

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it and return the exit status."""
        function: Callable[[argparse.Namespace], int] = getattr(import_module(self.module), self.function)
        return function(arguments)


def argument(*flags: str, **settings: Any) -> Argument:
    """Return an argument as ``add_argument`` takes it."""
    return Argument(flags, settings)


def at_least_one(text: str) -> int:
    """Return the number in ``text``; argparse turns the error into its own message."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("the number must be 1 or more")
    return number


_FILE = argument("file", metavar="FILE", help="a flow spec")
OUTPUT = argument(
    "--output",
    choices=("text", "json"),
    default="text",
    help="json prints one JSON document on standard output and nothing else there",
)
_ROOT = argument(
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
            argument("paths", nargs="+", metavar="PATH", help="a flow spec, or a folder of them"),
            _ROOT,
            OUTPUT,
        ),
    ),
    Command(
        "schema",
        "Print the JSON Schema of a flow spec, for editors",
        "dag_factory.cli.schema",
        (argument("--output", choices=("json",), default="json", help="the schema is JSON"),),
    ),
    Command(
        "preview",
        "Show what each node of a flow would execute",
        "dag_factory.cli.preview",
        (
            _FILE,
            _ROOT,
            argument(
                "--run-time",
                metavar="T",
                help="run time, ISO 8601, without a zone of the flow's; default: now",
            ),
            argument("--business-time", metavar="T", help="business time; the run time is that plus one day"),
            argument(
                "--set",
                action="append",
                default=[],
                metavar="NAME=VALUE",
                dest="outputs",
                help="value of an output of an upstream node; may be given many times",
            ),
            argument("--node", metavar="N", help="show this node only"),
            argument(
                "--dialect",
                metavar="TYPE",
                help="connection type whose dialect is used where there is no such connection here",
            ),
            OUTPUT,
        ),
    ),
    Command(
        "schedule",
        "List the run times of a flow",
        "dag_factory.cli.schedule",
        (
            _FILE,
            _ROOT,
            argument("--from", metavar="T", dest="start", help="list from this time on, inclusive; ISO 8601"),
            argument("--to", metavar="T", dest="end", help="list until this time, exclusive"),
            argument(
                "--next",
                type=at_least_one,
                metavar="N",
                dest="count",
                help="how many of the coming times; default: 10",
            ),
            OUTPUT,
        ),
    ),
    Command(
        "publish",
        "Let a draft take the place of the published spec of its flow",
        "dag_factory.cli.publishing",
        (argument("file", metavar="FILE", help="NAME.draft.flow.yaml"), _ROOT, OUTPUT),
        "run_publish",
    ),
    Command(
        "unpublish",
        "Let a published spec become a draft, which never runs by itself",
        "dag_factory.cli.publishing",
        (argument("file", metavar="FILE", help="NAME.flow.yaml"), _ROOT, OUTPUT),
        "run_unpublish",
    ),
)
