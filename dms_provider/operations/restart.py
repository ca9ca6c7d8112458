"""Rerun and restore: a run that has ended is run again, with its business time and its coupling.

Source: DMS reference, section 6.2; policies, *Error handling* and *Concurrency*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.models.dagbag import DBDagBag
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import select

from dms_provider.operations.errors import Refused
from dms_provider.operations.runs import ENDED, state_of
from dms_provider.policies import run_tables
from dms_provider.policies.rules import OUTCOME_TASK_ID, FlowPolicies, is_node
from dms_provider.policies.selection import downstream, not_selected
from dms_provider.variables.run_conf import RunConf, RunConfError, read_run_conf

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.serialization.definitions.dag import SerializedDAG
    from sqlalchemy.orm import Session


def rerun(run: DagRun, session: Session) -> None:
    """Run all nodes of a run again.

    :raises Refused: the run has not ended, or another one is in its way
    """
    dag = dag_of(run, session)
    _check_can_restart(run, dag, session)
    _clear(run, dag, list(_states(run, session)), session)


def restore(run: DagRun, session: Session) -> None:
    """Run the nodes of a run again that are not success, but none that a false condition has skipped.

    :raises Refused: there is no such node, the run has not ended, or another one is in its way
    """
    dag = dag_of(run, session)
    _check_can_restart(run, dag, session)
    nodes = nodes_to_restore(run, dag, session)
    if not nodes:
        raise Refused(
            f"every node of run {run.run_id} is success or was skipped by a condition, so that there is"
            " nothing to restore; rerun runs all nodes again"
        )
    helpers = [task_id for task_id in _states(run, session) if not is_node(task_id)]
    _clear(run, dag, [*nodes, *helpers], session)


def nodes_to_restore(run: DagRun, dag: SerializedDAG, session: Session) -> list[str]:
    """Return the nodes that a restore of a run would run, sorted."""
    graph = run_tables.graph_of(dag)
    asked = _asked(run)
    passed_over = run_tables.skipped_by_conditions(run, session)
    passed_over |= not_selected(graph, node=asked.node, from_node=asked.from_node)
    if asked.node is not None:
        passed_over |= downstream(graph, asked.node)
    return [
        task_id
        for task_id, state in _states(run, session).items()
        if is_node(task_id)
        and state not in ("success", "removed")
        and not (state == "skipped" and task_id in passed_over)
    ]


def dag_of(run: DagRun, session: Session) -> SerializedDAG:
    """Return the version of its DAG that a run belongs to.

    :raises Refused: it is not stored any more, or is no flow
    """
    dag = DBDagBag(load_op_links=False).get_dag_for_run(run, session=session)
    if dag is None or not dag.has_task(OUTCOME_TASK_ID):
        raise Refused(f"Airflow does not have the version of {run.dag_id} that run {run.run_id} belongs to")
    return dag


def _check_can_restart(run: DagRun, dag: SerializedDAG, session: Session) -> None:
    if state_of(run) not in ENDED:
        raise Refused(f"run {run.run_id} is {state_of(run)}: stop it first, or wait for its end")
    outcome: Any = dag.get_task(OUTCOME_TASK_ID)
    policies = FlowPolicies.from_json(outcome.policies)
    if policies.concurrency != "skip" or _asked(run).dry_run:
        return
    going = [other.run_id for other in run_tables.other_runs(run, session) if other.started is not None]
    if going:
        raise Refused(
            f"run {', '.join(sorted(going))} of {run.dag_id} is going, and the flow's concurrency policy is"
            " skip: wait for its end, or stop it first"
        )


def _asked(run: DagRun) -> RunConf:
    try:
        return read_run_conf(run.conf)
    except RunConfError:
        return RunConf()


def _states(run: DagRun, session: Session) -> dict[str, str | None]:
    stored = session.execute(
        select(TaskInstance.task_id, TaskInstance.state)
        .where(TaskInstance.dag_id == run.dag_id, TaskInstance.run_id == run.run_id)
        .order_by(TaskInstance.task_id)
    )
    return {task_id: state and str(state) for task_id, state in stored}


def _clear(run: DagRun, dag: SerializedDAG, task_ids: list[str], session: Session) -> None:
    known = [task_id for task_id in task_ids if dag.has_task(task_id)]
    dag.clear(task_ids=known, run_id=run.run_id, run_on_latest_version=False, session=session)
