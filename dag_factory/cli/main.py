"""``python -m dag_factory``: parse the arguments, do the command, return the exit status."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from dag_factory.cli.commands import COMMANDS, PROBLEM, WRONG_USAGE, Command, UsageError
from dag_factory.cli.output import note, print_json, shown
from dag_factory.diagnostics import SpecError

PROGRAM = "python -m dag_factory"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one command.

    :param arguments: default: those of the process
    :return: 0 good, 1 the flow or spec has a problem, 2 wrong usage
    """
    parsed = _parser().parse_args(arguments)
    command: Command = parsed.command
    return run(command, parsed)


def run(command: Command, arguments: argparse.Namespace) -> int:
    """Do a command whose arguments are parsed, and return the exit status."""
    try:
        return command.run(arguments)
    except SpecError as error:
        for problem in error.problems:
            note(shown(problem))
        if arguments.output == "json":
            print_json([problem.to_json() for problem in error.problems])
        return PROBLEM
    except UsageError as error:
        note(f"{command.name}: {error}")
        return WRONG_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Flow specs: check them and look into them.")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        for argument in command.arguments:
            subparser.add_argument(*argument.flags, **argument.settings)
        subparser.set_defaults(command=command)
    return parser
