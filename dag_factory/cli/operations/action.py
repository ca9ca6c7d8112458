"""How a command that needs Airflow's metadata is run: in Airflow's audit log, with errors for people."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from airflow.utils.cli import action_cli
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from sqlalchemy.exc import OperationalError

from dag_factory.cli.commands import PROBLEM, WRONG_USAGE, Command
from dag_factory.cli.main import run
from dag_factory.cli.output import note
from dms_provider.operations.errors import NotKnown, OperationError


def run_operation(command: Command, arguments: Namespace) -> int:
    """Do a command and return the exit status."""

    def operate(arguments: Namespace) -> int:
        return run(command, arguments)

    operate.__name__ = f"dms_{command.name.replace('-', '_')}"
    arguments.dag_id = getattr(arguments, "flow", None)  # as the audit log calls it
    logged: Any = action_cli  # it has no type hints
    try:
        status: int = logged(providers_configuration_loaded(operate))(arguments)
    except OperationError as error:
        note(f"{command.name}: {error}")
        return WRONG_USAGE if isinstance(error, NotKnown) else PROBLEM
    except OperationalError as error:
        note(f"{command.name}: Airflow's metadata database does not answer: {error.orig}")
        return PROBLEM
    return status
