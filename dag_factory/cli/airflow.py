"""``airflow dms ...``: the same commands as Airflow's own command line wants them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, cast

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand, GroupCommand

from dag_factory.cli.commands import COMMANDS, Argument, Command


def get_dms_cli_commands() -> list[CLICommand]:
    """Return the command group ``dms``; provider info names this function under ``cli``."""
    return [
        GroupCommand(
            name="dms",
            help="Flow specs of Alibaba Cloud DMS task orchestration",
            subcommands=tuple(
                ActionCommand(
                    name=command.name,
                    help=command.help,
                    func=_action(command),
                    args=tuple(_arg(argument) for argument in command.arguments),
                )
                for command in COMMANDS
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

        arguments.connection_type = connection_type
        sys.exit(run(command, arguments))

    return act
