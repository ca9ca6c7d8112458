"""What the start of a run reads from Airflow's tables, and writes there. Only for the scheduler.

Everything goes through the connection of the scheduler's transaction, and nothing is committed here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.models.backfill import BackfillDagRun
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.pool import Pool
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy import and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from dms_provider.policies.coupling import OtherRun, StartingRun
from dms_provider.policies.rules import HOLD_TASK_ID, OUTCOME_TASK_ID, is_node
from dms_provider.variables.run_times import run_times

if TYPE_CHECKING:
    from airflow.serialization.definitions.dag import SerializedDAG
    from sqlalchemy.orm import Session

NOTE_LENGTH = 1000
_DEFAULT_POOL = "default_pool"
_SKIPPED_BY_A_CONDITION = "skipmixin_key"
_HELPERS = (HOLD_TASK_ID, OUTCOME_TASK_ID)


def lock_flow(dag_id: str, session: Session) -> None:
    """Lock the row of a DAG until the transaction ends.

    :raises OperationalError: another transaction has it
    """
    session.execute(select(DagModel.dag_id).where(DagModel.dag_id == dag_id).with_for_update(nowait=True))


def graph_of(dag: SerializedDAG) -> dict[str, list[str]]:
    """Return the graph of a flow's nodes: node -> nodes directly downstream, sorted."""
    return {
        task_id: sorted(filter(is_node, task.downstream_task_ids))
        for task_id, task in dag.task_dict.items()
        if is_node(task_id)
    }


def graph_of_run(dag_id: str, run_id: str, session: Session) -> dict[str, list[str]] | None:
    """Return the graph of the flow as it is, or was, for one run; ``None`` if that is not known any more."""
    from airflow.models.dagbag import DBDagBag

    run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    dag = run and DBDagBag(load_op_links=False).get_dag_for_run(run, session=session)
    return graph_of(dag) if dag else None


def starting_run(dag_run: DagRun, session: Session) -> StartingRun:
    """Return what the decision needs to know of the run that starts."""
    place = session.scalar(select(BackfillDagRun.sort_ordinal).where(BackfillDagRun.dag_run_id == dag_run.id))
    return StartingRun(
        run_id=dag_run.run_id,
        run_type=str(dag_run.run_type),
        backfill=dag_run.backfill_id,
        place=place or 0,
        has_run_before=dag_run.clear_number > 0,
    )


def other_runs(dag_run: DagRun, session: Session) -> list[OtherRun]:
    """Return the other runs of the flow that are going, and those of the same backfill that will be.

    A dry run is in nobody's way, and a run whose logical date lies ahead can start no node.
    """
    same_backfill = (
        and_(DagRun.backfill_id == dag_run.backfill_id, DagRun.state == DagRunState.QUEUED)
        if dag_run.backfill_id is not None
        else None
    )
    going = and_(
        DagRun.state == DagRunState.RUNNING,
        or_(DagRun.logical_date.is_(None), DagRun.logical_date <= datetime.now(timezone.utc)),
    )
    rows = session.execute(
        select(
            DagRun.run_id,
            DagRun.state,
            DagRun.start_date,
            DagRun.run_after,
            DagRun.run_type,
            DagRun.backfill_id,
            DagRun.conf,
            BackfillDagRun.sort_ordinal,
        )
        .join(BackfillDagRun, BackfillDagRun.dag_run_id == DagRun.id, isouter=True)
        .where(
            DagRun.dag_id == dag_run.dag_id,
            DagRun.id != dag_run.id,
            going if same_backfill is None else or_(going, same_backfill),
        )
    )
    found = []
    for run_id, state, started, run_after, run_type, backfill_id, conf, place in rows:
        said = (conf or {}).get("dms")
        decided: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
        if decided.get("dry_run") is True or "refused" in decided:
            continue
        is_going = state == DagRunState.RUNNING
        found.append(
            OtherRun(
                run_id=run_id,
                started=started if is_going else None,
                run_after=run_after,
                run_type=str(run_type),
                backfill=backfill_id,
                place=place or 0,
                earlier_run=decided.get("earlier_run"),
            )
        )
    return found


def make_pools(dag: SerializedDAG, sized: Mapping[str, int], session: Session) -> None:
    """Make the pools that the flow sizes where they are missing, and check that all it uses are there.

    Airflow never schedules a task of a pool that is not there, and says so in the scheduler's log only.

    :raises RunRefused: a pool is missing
    """
    from dms_provider.policies.run_start import RunRefused

    used: dict[str, str] = {
        task.pool: task_id for task_id, task in dag.task_dict.items() if task.pool != _DEFAULT_POOL
    }
    wanted = used.keys() | sized.keys()
    if not wanted:
        return
    there = set(session.scalars(select(Pool.pool).where(Pool.pool.in_(wanted))))
    for name in sorted(sized.keys() - there):
        savepoint = session.connection().begin_nested()
        try:
            session.execute(
                insert(Pool).values(
                    pool=name,
                    slots=sized[name],
                    description=f"Made for the flow {dag.dag_id}",
                    include_deferred=False,
                )
            )
        except IntegrityError:
            # another flow that sizes it was quicker
            savepoint.rollback()
        else:
            savepoint.commit()
    if missing := sorted(used.keys() - there - sized.keys()):
        raise RunRefused(
            f"pool {missing[0]!r} of node {used[missing[0]]} does not exist; make it, or give its slots under"
            " pools in the flow spec"
        )


def skip(dag_run: DagRun, nodes: Collection[str], session: Session) -> None:
    """Skip nodes of a run that have no state yet."""
    if nodes:
        _set_state(dag_run, TaskInstanceState.SKIPPED, session, TaskInstance.task_id.in_(nodes))


def skip_run(dag_run: DagRun, session: Session) -> None:
    """Skip everything of a run."""
    _set_state(dag_run, TaskInstanceState.SKIPPED, session)


def refuse(dag_run: DagRun, nodes: Iterable[str], session: Session) -> None:
    """Make a run fail before any of its nodes, without a worker."""
    _set_state(dag_run, None, session, TaskInstance.task_id.in_(_HELPERS), of_any_state=True)
    _set_state(dag_run, TaskInstanceState.UPSTREAM_FAILED, session, TaskInstance.task_id.in_(list(nodes)))
    _set_state(dag_run, TaskInstanceState.SKIPPED, session, TaskInstance.task_id == HOLD_TASK_ID)
    _set_state(dag_run, TaskInstanceState.FAILED, session, TaskInstance.task_id == OUTCOME_TASK_ID)


def reset_what_was_held_back(
    dag_run: DagRun, dag: SerializedDAG, graph: Mapping[str, Iterable[str]], session: Session
) -> None:
    """Have a run that was cleared, in whatever way, run all that was not run for a reason that is gone.

    What a false condition skipped stays skipped, and is skipped again where it was cleared without the
    condition; the helpers decide again.
    """
    by_condition = skipped_by_conditions(dag_run, session) & set(graph)
    if by_condition:
        skip(dag_run, by_condition, session)
    _set_state(
        dag_run,
        None,
        session,
        TaskInstance.task_id.not_in(by_condition),
        TaskInstance.state.in_([TaskInstanceState.SKIPPED, TaskInstanceState.UPSTREAM_FAILED]),
        of_any_state=True,
    )
    _set_state(
        dag_run,
        None,
        session,
        TaskInstance.task_id.in_(_HELPERS),
        of_any_state=True,
    )


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
    dag_run: DagRun, nodes: Collection[str], zone: str, session: Session
) -> dict[str, str]:
    """Return, for nodes that this run leaves out, the newest run of the same business time with a success."""
    business_time = run_times(dag_run, zone).business_time
    rows = session.execute(
        select(DagRun, TaskInstance.task_id)
        .join(TaskInstance, and_(TaskInstance.dag_id == DagRun.dag_id, TaskInstance.run_id == DagRun.run_id))
        .where(
            DagRun.dag_id == dag_run.dag_id,
            DagRun.id != dag_run.id,
            TaskInstance.task_id.in_(nodes),
            TaskInstance.state == TaskInstanceState.SUCCESS,
        )
        .order_by(TaskInstance.end_date.desc())
        .limit(10_000)
    )
    found: dict[str, str] = {}
    for run, task_id in rows:
        said = (run.conf or {}).get("dms")
        if task_id in found or not isinstance(said, Mapping) or said.get("dry_run") is True:
            continue
        try:
            same = run_times(run, zone).business_time == business_time
        except ValueError:
            continue
        if same:
            found[task_id] = run.run_id
    return found


def _set_state(
    dag_run: DagRun,
    state: TaskInstanceState | None,
    session: Session,
    *which: Any,
    of_any_state: bool = False,
) -> None:
    now = None if state is None else datetime.now(timezone.utc)
    only = () if of_any_state else (TaskInstance.state.is_(None),)
    session.execute(
        update(TaskInstance)
        .where(TaskInstance.dag_id == dag_run.dag_id, TaskInstance.run_id == dag_run.run_id, *only, *which)
        .values(state=state, start_date=now, end_date=now)
        .execution_options(synchronize_session="fetch")
    )
