"""``freeze`` and ``unfreeze``: whether a flow gets scheduled runs."""

from __future__ import annotations

from argparse import Namespace

from airflow.utils.session import create_session

from dag_factory.cli.commands import GOOD
from dag_factory.cli.output import print_json, print_lines
from dms_provider.operations.flows import find_flow
from dms_provider.operations.freezing import freeze, unfreeze


def run_freeze(arguments: Namespace) -> int:
    """Make no scheduled runs of the flow."""
    return _set(arguments, frozen=True)


def run_unfreeze(arguments: Namespace) -> int:
    """Make scheduled runs of the flow again."""
    return _set(arguments, frozen=False)


def _set(arguments: Namespace, *, frozen: bool) -> int:
    with create_session() as session:
        flow_id = find_flow(arguments.flow, session).flow_id
        (freeze if frozen else unfreeze)(flow_id, session)
    if arguments.output == "json":
        print_json({"flow": flow_id, "frozen": frozen})
    else:
        print_lines([f"{flow_id} is {'frozen' if frozen else 'not frozen'}"])
    return GOOD
