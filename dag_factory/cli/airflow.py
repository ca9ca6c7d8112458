"""``airflow dms ...``: the same commands as Airflow's own command line wants them, and those for runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, cast

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand, GroupCommand

from dag_factory.cli.commands import COMMANDS, Argument, Command
from dag_factory.cli.operations.commands import OPERATIONS


def get_dms_cli_commands() -> list[CLICommand]:
    """Return the command group ``dms``; provider info names this function under ``cli``."""
    actions = [(command, _action(command)) for command in COMMANDS]
    actions += [(command, _operation(command)) for command in OPERATIONS]
    return [
        GroupCommand(
            name="dms",
            help="Flow specs of Alibaba Cloud DMS task orchestration, flows and their runs",
            subcommands=tuple(
                ActionCommand(
                    name=command.name,
                    help=command.help,
                    func=act,
                    args=tuple(_arg(argument) for argument in command.arguments),
                )
                for command, act in actions
            ),
        )
    ]


def _arg(argument: Argument) -> Arg:
    make_arg: Any = Arg  # its constructor has no type hints
    return cast(Arg, make_arg(flags=argument.flags, **argument.settings))


def _action(command: Command) -> Callable[[argparse.Namespace], None]:
    def act(arguments: argparse.Namespace) -> None:
        from dag_factory.cli.connections import connection_type
        from dag_factory.cli.main import run
        from dag_factory.cli.output import results_alone_on_stdout

        arguments.connection_type = connection_type
        with results_alone_on_stdout():
            status = run(command, arguments)
        sys.exit(status)

    return act


def _operation(command: Command) -> Callable[[argparse.Namespace], None]:
    def act(arguments: argparse.Namespace) -> None:
        from dag_factory.cli.output import results_alone_on_stdout

        with results_alone_on_stdout():
            from dag_factory.cli.operations.action import run_operation

            status = run_operation(command, arguments)
        sys.exit(status)

    return act
