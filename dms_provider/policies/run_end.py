"""A run of a flow ends: what others that wait for it must know, and whether it has really ended.

Airflow tells it in the process that ends the run: the scheduler, or the API server when somebody sets its
state.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState
from sqlalchemy import inspect, select
from sqlalchemy.orm import object_session
from sqlalchemy.orm.attributes import get_history

from dms_provider.policies import run_changes as changes
from dms_provider.policies import run_tables as tables
from dms_provider.policies.savepoint import begin_again, savepoint
from dms_provider.policies.selection import downstream, not_selected
from dms_provider.variables.run_conf import read_run_conf

if TYPE_CHECKING:
    from airflow.serialization.definitions.dag import SerializedDAG
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

BY_ITS_NODES = frozenset({"success", "task_failure"})
"""What Airflow says when a run has ended because its tasks have; else somebody, or its time-out, ended it."""


def end_run(dag_run: DagRun, dag: SerializedDAG, msg: str) -> None:
    """Do what is left to do when a run has ended.

    :param dag_run: in the session that has ended it, which has not committed
    :param dag: of the flow
    :param msg: what Airflow says of its end
    """
    session = object_session(dag_run)
    if session is None:
        return
    run_id = dag_run.run_id
    try:
        if msg in BY_ITS_NODES and (before := _ended_before_as(dag_run)) is not None:
            log.warning("%s: %s has ended as %s already; it stays so", dag.dag_id, dag_run.run_id, before)
            dag_run.set_state(before)
            return
        waits_for = _waits_for(dag_run)
        if waits_for is not None:
            session.flush()
            with savepoint(session):
                _hand_over(dag_run, waits_for, session)
        if msg in BY_ITS_NODES and _was_cleared_meanwhile(dag_run):
            session.flush()
            with savepoint(session):
                held_back = _is_held_back(dag_run, dag, session)
            if held_back:
                log.info("%s: %s was cleared while it was going; it goes on", dag.dag_id, dag_run.run_id)
                dag_run.set_state(DagRunState.QUEUED)
    except Exception:
        log.exception("%s: the end of run %s could not be looked at", dag.dag_id, run_id)
        begin_again(session, msg)


def _ended_before_as(dag_run: DagRun) -> DagRunState | None:
    """Return the other state in which a run that ends now had already ended.

    After a deadlock Airflow's scheduler goes on with runs that it has read before, whatever somebody has set
    them to since, and holds no lock on them.
    """
    state = inspect(DagRun).get_property_by_column(DagRun.__table__.c.state).key
    for before in get_history(dag_run, state).deleted or ():
        if before in (DagRunState.SUCCESS, DagRunState.FAILED):
            return DagRunState(before)
    return None


def _waits_for(dag_run: DagRun) -> str | None:
    """Return the run whose end a run has to wait for as a whole."""
    said = dag_run.conf.get("dms") if isinstance(dag_run.conf, Mapping) else None
    if not isinstance(said, Mapping) or said.get("waits") != "whole_run":
        return None
    earlier_run: Any = said.get("earlier_run")
    return earlier_run if isinstance(earlier_run, str) else None


def _hand_over(dag_run: DagRun, waits_for: str, session: Session) -> None:
    """Have those that wait for a run that was ended before it began wait for the one it waited for."""
    of_flow = select(DagRun.run_id).where(DagRun.dag_id == dag_run.dag_id)
    still_going = of_flow.where(
        DagRun.run_id == waits_for, DagRun.state.in_([DagRunState.RUNNING, DagRunState.QUEUED])
    )
    if session.scalar(still_going) is None:
        return
    said = DagRun.conf["dms"]
    waiting = session.scalars(
        of_flow.where(
            DagRun.state == DagRunState.RUNNING,
            DagRun.run_id != waits_for,
            said["earlier_run"].as_string() == dag_run.run_id,
            said["waits"].as_string() == "whole_run",
        )
    ).all()
    if waiting:
        changes.couple_to(dag_run.dag_id, waiting, waits_for, session)
        log.info("%s: %s now waits for %s", dag_run.dag_id, ", ".join(waiting), waits_for)


def _was_cleared_meanwhile(dag_run: DagRun) -> bool:
    """Return whether the run was cleared after its start; Airflow does not start such a run again."""
    return bool(dag_run.queued_at and dag_run.start_date and dag_run.queued_at > dag_run.start_date)


def _is_held_back(dag_run: DagRun, dag: SerializedDAG, session: Session) -> bool:
    """Return whether the run failed, or left nodes out, for a failure that is none any more."""
    graph = tables.graph_of(dag)
    stored = session.execute(
        select(TaskInstance.task_id, TaskInstance.state).where(
            TaskInstance.dag_id == dag_run.dag_id, TaskInstance.run_id == dag_run.run_id
        )
    )
    states = {task_id: str(state) for task_id, state in stored if task_id in graph}
    if "failed" in states.values():
        return False
    conf = read_run_conf(dag_run.conf)
    passed_over = tables.skipped_by_conditions(dag_run, session)
    passed_over |= not_selected(graph, node=conf.node, from_node=conf.from_node)
    if conf.node is not None:
        passed_over |= downstream(graph, conf.node)
    held_back = {
        task_id
        for task_id, state in states.items()
        if state in ("skipped", "upstream_failed") and task_id not in passed_over
    }
    return bool(held_back) or dag_run.state == DagRunState.FAILED
