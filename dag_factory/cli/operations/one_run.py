"""``rerun``, ``restore``, ``set-success``, ``stop``: what is done with one run."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow.utils.session import create_session
from sqlalchemy.exc import OperationalError

from dag_factory.cli.commands import GOOD
from dag_factory.cli.operations.spec import is_spec_of
from dag_factory.cli.output import print_json, print_lines
from dms_provider.operations.ending import set_success, stop
from dms_provider.operations.flows import check_can_start, find_flow
from dms_provider.operations.restart import rerun, restore
from dms_provider.operations.runs import find_run, state_of

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

    Operation = Callable[[DagRun, Session], None]

_TRIES = 5
_DEADLOCKS = frozenset({"40P01", 1213})
"""What PostgreSQL and MySQL call it: the scheduler works on the same run, and one of them begins again."""


def run_rerun(arguments: Namespace) -> int:
    """Run all nodes of the run again."""
    return _operate(rerun, arguments, restarts=True)


def run_restore(arguments: Namespace) -> int:
    """Run the nodes of the run again that are not success."""
    return _operate(restore, arguments, restarts=True)


def run_set_success(arguments: Namespace) -> int:
    """Have the failed run count as a success."""
    return _operate(set_success, arguments)


def run_stop(arguments: Namespace) -> int:
    """End the run as failed."""
    return _operate(stop, arguments)


def _operate(
    operation: Operation, arguments: Namespace, *, restarts: bool = False, tries: int = _TRIES
) -> int:
    try:
        return _try_once(operation, arguments, restarts=restarts)
    except OperationalError as error:
        if tries == 1 or not _is_deadlock(error):
            raise
    return _operate(operation, arguments, restarts=restarts, tries=tries - 1)


def _is_deadlock(error: OperationalError) -> bool:
    said = error.orig
    codes = (getattr(said, "sqlstate", None), getattr(said, "pgcode", None), *getattr(said, "args", ())[:1])
    return not _DEADLOCKS.isdisjoint(codes)


def _try_once(operation: Operation, arguments: Namespace, *, restarts: bool) -> int:
    with create_session() as session:
        flow = find_flow(arguments.flow, session)
        run = find_run(flow.flow_id, arguments.run_id, session)
        if restarts:
            check_can_start(flow, session, lambda file: is_spec_of(flow.flow_id, file))
        operation(run, session)
        session.flush()
        session.refresh(run)
        document = {"flow": flow.flow_id, "run_id": run.run_id, "state": state_of(run)}
    if arguments.output == "json":
        print_json(document)
    else:
        print_lines([f"{document['flow']} {document['run_id']} is {document['state']}"])
    return GOOD
