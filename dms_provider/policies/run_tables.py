"""What the start of a run has to know from Airflow's tables, and the pools it needs. Only for the scheduler.

Everything goes through the connection of the scheduler's transaction, and nothing is committed here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.models.backfill import BackfillDagRun
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.pool import Pool
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy import and_, false, insert, not_, or_, select
from sqlalchemy.exc import IntegrityError, OperationalError

from dms_provider.policies.coupling import OtherRun, StartingRun
from dms_provider.policies.rules import HOLD_TASK_ID, is_node
from dms_provider.policies.savepoint import is_lock_taken, savepoint

if TYPE_CHECKING:
    from airflow.serialization.definitions.dag import SerializedDAG
    from sqlalchemy.orm import Session

_DEFAULT_POOL = "default_pool"
_SKIPPED_BY_A_CONDITION = "skipmixin_key"


class RunRefused(ValueError):
    """The run cannot be run as it was asked for. The message says why and what to do."""


class FlowIsLocked(RuntimeError):
    """Another transaction has the row of the DAG."""


def lock_flow(dag_id: str, session: Session) -> None:
    """Lock the row of a DAG until the transaction ends; references to it are not in the way.

    :raises FlowIsLocked: another transaction has it
    """
    of_flow = select(DagModel.dag_id).where(DagModel.dag_id == dag_id)
    try:
        session.execute(of_flow.with_for_update(nowait=True, key_share=True)).one()
    except OperationalError as error:
        if not is_lock_taken(error):
            raise
        raise FlowIsLocked(dag_id) from error


def graph_of(dag: SerializedDAG) -> dict[str, list[str]]:
    """Return the graph of a flow's nodes: node -> nodes directly downstream, sorted."""
    return {
        task_id: sorted(filter(is_node, task.downstream_task_ids))
        for task_id, task in dag.task_dict.items()
        if is_node(task_id)
    }


def graph_if_another(
    dag_run: DagRun, earlier_run: str, dag: SerializedDAG, session: Session
) -> dict[str, list[str]] | None:
    """Return the graph of the flow as it is for an earlier run, if that is another one.

    A run that is not pinned to a version of its bundle was started with one version of the flow and goes on
    with the newest: what is downstream in either counts.

    :param dag: of the flow, as it is for ``dag_run``
    """
    of_earlier = select(DagRun).where(DagRun.dag_id == dag_run.dag_id, DagRun.run_id == earlier_run)
    earlier = session.scalar(of_earlier)
    if earlier is None or earlier.created_dag_version_id == dag_run.created_dag_version_id:
        return None
    from airflow.models.dagbag import DBDagBag

    versions = DBDagBag(load_op_links=False)
    dags = [versions.get_dag_for_run(earlier, session=session)]
    if earlier.created_dag_version_id is not None:
        dags.append(versions.get_dag(earlier.created_dag_version_id, session=session))
    below: dict[str, set[str]] = {}
    for version in filter(None, dags):
        for node, children in graph_of(version).items():
            below.setdefault(node, set()).update(children)
    found = {node: sorted(children) for node, children in below.items()}
    return None if found in ({}, graph_of(dag)) else found


def starting_run(dag_run: DagRun, earlier_run: str | None, session: Session) -> StartingRun:
    """Return what the decision needs to know of the run that starts.

    :param earlier_run: id of the run that it was coupled to when it ran before
    """
    place = None
    if dag_run.backfill_id is not None:
        place = session.scalar(
            select(BackfillDagRun.sort_ordinal).where(
                BackfillDagRun.dag_run_id == dag_run.id, BackfillDagRun.backfill_id == dag_run.backfill_id
            )
        )
    return StartingRun(
        run_id=dag_run.run_id,
        run_type=str(dag_run.run_type),
        backfill=dag_run.backfill_id,
        place=place or 0,
        has_run_before=dag_run.clear_number > 0,
        earlier_run=earlier_run,
    )


def other_runs(dag_run: DagRun, session: Session) -> list[OtherRun]:
    """Return the other runs of the flow that are going, and those of the same backfill that will be.

    A dry run is in nobody's way; nor is one of which nothing is executed, as it was refused or not decided
    about; and a run whose logical date lies ahead can start no node.
    """
    going = and_(
        DagRun.state == DagRunState.RUNNING,
        or_(DagRun.logical_date.is_(None), DagRun.logical_date <= datetime.now(timezone.utc)),
    )
    of_backfill: Any = false()
    if dag_run.backfill_id is not None:
        of_backfill = and_(DagRun.backfill_id == dag_run.backfill_id, DagRun.state == DagRunState.QUEUED)
    said = DagRun.conf["dms"]
    of_no_concern = [said[key].as_string().is_not(None) for key in ("refused", "undecided")]
    rows = session.execute(
        select(
            DagRun.run_id,
            DagRun.state,
            DagRun.start_date,
            DagRun.run_after,
            DagRun.run_type,
            DagRun.backfill_id,
            said["earlier_run"].as_string(),
            BackfillDagRun.sort_ordinal,
        )
        .join(
            BackfillDagRun,
            and_(BackfillDagRun.dag_run_id == DagRun.id, BackfillDagRun.backfill_id == DagRun.backfill_id),
            isouter=True,
        )
        .where(
            DagRun.dag_id == dag_run.dag_id,
            DagRun.id != dag_run.id,
            or_(going, of_backfill),
            _is_no_dry_run(said),
            not_(or_(*of_no_concern)),
        )
    )
    return [
        OtherRun(
            run_id=run_id,
            started=started if state == DagRunState.RUNNING else None,
            run_after=run_after,
            run_type=str(run_type),
            backfill=backfill_id,
            place=place or 0,
            earlier_run=earlier_run,
        )
        for run_id, state, started, run_after, run_type, backfill_id, earlier_run, place in rows
    ]


def _is_no_dry_run(said: Any) -> Any:
    # asked of what was decided: it may have been asked for in the trigger form
    return or_(said["kind"].as_string().is_(None), said["kind"].as_string() != "dry_run")


def make_pools(dag: SerializedDAG, sized: Mapping[str, int], session: Session) -> None:
    """Make the pools that the flow sizes where they are missing, and check that all it uses are there.

    Airflow never schedules a task of a pool that is not there, and says so in the scheduler's log only.

    :raises RunRefused: a pool is missing
    """
    used: dict[str, str] = {
        task.pool: task_id for task_id, task in dag.task_dict.items() if task.pool != _DEFAULT_POOL
    }
    wanted = used.keys() | sized.keys()
    if not wanted:
        return
    of_wanted = select(Pool.pool).where(Pool.pool.in_(wanted))
    there = set(session.scalars(of_wanted))
    unmade = sorted(sized.keys() - there)
    for name in unmade:
        # another flow that sizes it may be quicker
        with suppress(IntegrityError), savepoint(session):
            session.execute(
                insert(Pool).values(
                    pool=name,
                    slots=sized[name],
                    description=f"Made for the flow {dag.dag_id}",
                    include_deferred=False,
                )
            )
    if unmade and (missing := sorted(set(unmade) - set(session.scalars(of_wanted)))):
        raise RunRefused(
            f"pool {missing[0]!r} cannot be made: to Airflow's database another pool has that name, as"
            " MySQL does not tell upper from lower case; write it as that one is written"
        )
    if missing := sorted(used.keys() - there - sized.keys()):
        raise RunRefused(
            f"pool {missing[0]!r} of node {used[missing[0]]} does not exist; make it, or give its slots under"
            " pools in the flow spec"
        )


def has_succeeded(dag_run: DagRun, node: str, session: Session) -> bool:
    """Return whether a node of a run is success now."""
    state = select(TaskInstance.state).where(
        TaskInstance.dag_id == dag_run.dag_id,
        TaskInstance.run_id == dag_run.run_id,
        TaskInstance.task_id == node,
    )
    return session.scalar(state) == TaskInstanceState.SUCCESS


def skipped_by_conditions(dag_run: DagRun, session: Session) -> set[str]:
    """Return the nodes that conditions of this run, which are not to run again, have skipped."""
    stored = session.execute(
        select(XComModel.value)
        .join(
            TaskInstance,
            and_(
                TaskInstance.dag_id == XComModel.dag_id,
                TaskInstance.run_id == XComModel.run_id,
                TaskInstance.task_id == XComModel.task_id,
            ),
        )
        .where(
            XComModel.dag_id == dag_run.dag_id,
            XComModel.run_id == dag_run.run_id,
            XComModel.key == _SKIPPED_BY_A_CONDITION,
            XComModel.task_id != HOLD_TASK_ID,
            TaskInstance.state == TaskInstanceState.SUCCESS,
        )
    )
    skipped: set[str] = set()
    for row in stored:
        found = XComModel.deserialize_value(row)
        if isinstance(found, Mapping):
            skipped.update(found.get("skipped", ()))
    return skipped


def outputs_of_other_runs(
    dag_run: DagRun, nodes: Collection[str], business_time: str, session: Session
) -> dict[str, str]:
    """Return, for nodes that this run leaves out, the run of the newest success with a business time.

    :param business_time: as it is written into the conf of each run that starts
    """
    said = DagRun.conf["dms"]
    rows = session.execute(
        select(TaskInstance.task_id, TaskInstance.run_id)
        .join(DagRun, and_(TaskInstance.dag_id == DagRun.dag_id, TaskInstance.run_id == DagRun.run_id))
        .where(
            DagRun.dag_id == dag_run.dag_id,
            DagRun.id != dag_run.id,
            said["business_time"].as_string() == business_time,
            _is_no_dry_run(said),
            TaskInstance.task_id.in_(nodes),
            TaskInstance.state == TaskInstanceState.SUCCESS,
        )
        .order_by(TaskInstance.end_date)
    )
    # of several the last, which is the newest
    return {row.task_id: row.run_id for row in rows}
