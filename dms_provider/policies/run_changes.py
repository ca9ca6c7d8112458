"""What the start of a run changes in Airflow's tables. Only for the scheduler.

All goes through the connection of the scheduler's transaction and is in the database when a function returns,
so that a SAVEPOINT undoes it; objects of the session learn of it afterwards. Nothing is committed here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.models.dagrun import DagRun, DagRunNote
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy import Table, insert, select, update
from sqlalchemy.orm.attributes import set_committed_value

from dms_provider.policies.rules import HELPER_PREFIX, HOLD_TASK_ID, OUTCOME_TASK_ID, FlowPolicies, is_node
from dms_provider.policies.run_tables import skipped_by_conditions
from dms_provider.policies.savepoint import is_lock_taken

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NOTE_LENGTH = 1000
_RUNS: Table = DagRun.__table__
_NOTES: Table = DagRunNote.__table__
_HELPERS = (HOLD_TASK_ID, OUTCOME_TASK_ID)
_HELD_BACK = (TaskInstanceState.SKIPPED, TaskInstanceState.UPSTREAM_FAILED)
_WAITS_IN = "begin"
"""Method of a node that goes on after it has waited for another run."""


class RunIsLocked(RuntimeError):
    """Another transaction changes a run that would have to be changed with this one."""


def write_run(
    dag_run: DagRun, session: Session, *, conf: Mapping[str, Any], state: DagRunState | None = None
) -> None:
    """Write the conf of a run, and end it where a state is given.

    :param dag_run: nothing of it waits to be written
    :param conf: the whole of it
    :param state: ``success`` for a run that does nothing
    """
    now = datetime.now(timezone.utc)
    values: dict[str, Any] = {"conf": dict(conf)}
    if state is not None:
        values |= {"state": state, "end_date": now}
    session.execute(update(_RUNS).where(_RUNS.c.id == dag_run.id).values(**values, updated_at=now))
    for column, value in values.items():
        set_committed_value(dag_run, "_state" if column == "state" else column, value)


def write_note(dag_run: DagRun, text: str, session: Session) -> None:
    """Add a line to the note of a run."""
    now = datetime.now(timezone.utc)
    stored = session.execute(select(_NOTES.c.content).where(_NOTES.c.dag_run_id == dag_run.id)).one_or_none()
    if stored is None:
        values = {
            "dag_run_id": dag_run.id,
            "content": text[:NOTE_LENGTH],
            "created_at": now,
            "updated_at": now,
        }
        session.execute(insert(_NOTES).values(**values))
    else:
        before = f"{stored.content[: NOTE_LENGTH - len(text) - 1]}\n" if stored.content else ""
        content = (before + text)[:NOTE_LENGTH]
        session.execute(
            update(_NOTES).where(_NOTES.c.dag_run_id == dag_run.id).values(content=content, updated_at=now)
        )
    session.expire(dag_run, ["dag_run_note"])


def skip(dag_run: DagRun, nodes: Collection[str], session: Session) -> None:
    """Skip nodes of a run that have no state yet."""
    if nodes:
        _set_state(dag_run, TaskInstanceState.SKIPPED, session, TaskInstance.task_id.in_(nodes))


def skip_run(dag_run: DagRun, session: Session) -> None:
    """Skip everything of a run."""
    _set_state(dag_run, TaskInstanceState.SKIPPED, session)


def refuse(dag_run: DagRun, nodes: Iterable[str], session: Session) -> None:
    """Make a run fail before any of its nodes, without a worker."""
    _reset(dag_run, session, TaskInstance.task_id.in_(_HELPERS))
    _set_state(dag_run, TaskInstanceState.UPSTREAM_FAILED, session, TaskInstance.task_id.in_(list(nodes)))
    _set_state(dag_run, TaskInstanceState.SKIPPED, session, TaskInstance.task_id == HOLD_TASK_ID)
    _set_state(dag_run, TaskInstanceState.FAILED, session, TaskInstance.task_id == OUTCOME_TASK_ID)


def reset_what_was_held_back(
    dag_run: DagRun, policies: FlowPolicies, graph: Mapping[str, Iterable[str]], session: Session
) -> None:
    """Have a run that was cleared, in whatever way, run all that was not run for a reason that is gone.

    What a false condition skipped stays skipped, and is skipped again where it was cleared without the
    condition; the helpers decide again. A node that has failed and was not cleared would hold back the ones
    that were, so under a policy that holds back it runs again as well.
    """
    by_condition = skipped_by_conditions(dag_run, session) & set(graph)
    skip(dag_run, by_condition, session)
    states = (*_HELD_BACK, TaskInstanceState.FAILED) if policies.holds_back else _HELD_BACK
    _reset(dag_run, session, TaskInstance.task_id.not_in(by_condition), TaskInstance.state.in_(states))
    _reset(dag_run, session, TaskInstance.task_id.in_(_HELPERS), TaskInstance.state.is_not(None))


def let_go(dag_run: DagRun, waiting: Sequence[str], session: Session) -> None:
    """Have runs wait for this one no longer; their nodes look again what they have to wait for.

    :param waiting: ids of runs that are going
    :raises RunIsLocked: another transaction has one of them
    """
    couple_to(dag_run.dag_id, waiting, None, session)
    session.execute(
        update(TaskInstance)
        .where(
            TaskInstance.dag_id == dag_run.dag_id,
            TaskInstance.run_id.in_(waiting),
            TaskInstance.state == TaskInstanceState.DEFERRED,
            TaskInstance.next_method == _WAITS_IN,
        )
        .values(state=TaskInstanceState.SCHEDULED, trigger_id=None, scheduled_dttm=datetime.now(timezone.utc))
        .execution_options(synchronize_session=False)
    )


def couple_to(dag_id: str, waiting: Sequence[str], earlier_run: str | None, session: Session) -> None:
    """Have runs that are going wait for another run than before, or for none.

    :raises RunIsLocked: another transaction has one of them
    """
    of_runs = (_RUNS.c.dag_id == dag_id, _RUNS.c.run_id.in_(waiting))
    try:
        rows = session.execute(
            select(_RUNS.c.id, _RUNS.c.conf).where(*of_runs).with_for_update(nowait=True, key_share=True)
        ).all()
    except Exception as error:
        if is_lock_taken(error):
            raise RunIsLocked(f"one of the runs {', '.join(waiting)} is being changed") from error
        raise
    for row_id, conf in rows:
        changed = with_said(conf, earlier_run=earlier_run)
        if earlier_run is None:
            changed = with_said(changed, waits=None, earlier_graph=None)
        session.execute(update(_RUNS).where(_RUNS.c.id == row_id).values(conf=changed))


def with_said(conf: Any, **decided: Any) -> dict[str, Any]:
    """Return the conf of a run with what was decided about it; a key without a value is not in it."""
    whole = dict(conf) if isinstance(conf, Mapping) else {}
    said = {**(whole["dms"] if isinstance(whole.get("dms"), Mapping) else {}), **decided}
    return {**whole, "dms": {key: value for key, value in said.items() if value is not None}}


def forget_task_instances(dag_run: DagRun, session: Session) -> None:
    """Have the session read the run's task instances again when it needs them."""
    for found in list(session.identity_map.values()):
        if isinstance(found, TaskInstance) and "run_id" in found.__dict__ and found.run_id == dag_run.run_id:
            session.expire(found)


def has_begun(dag_id: str, run_ids: Collection[str], session: Session) -> set[str]:
    """Return those of some runs of which a node has begun to work, more than to wait for another run."""
    begun = ("running", "restarting", "success", "failed", "up_for_retry", "up_for_reschedule")
    goes_on = (TaskInstance.state == TaskInstanceState.DEFERRED) & (TaskInstance.next_method != _WAITS_IN)
    rows = session.execute(
        select(TaskInstance.run_id, TaskInstance.task_id)
        .where(TaskInstance.dag_id == dag_id, TaskInstance.run_id.in_(run_ids))
        .where(TaskInstance.state.in_(begun) | goes_on, TaskInstance.task_id.not_like(f"{HELPER_PREFIX}%"))
    )
    return {run_id for run_id, task_id in rows if is_node(task_id)}


def _reset(dag_run: DagRun, session: Session, *which: Any) -> None:
    """Take the state of task instances away, as Airflow does when they are cleared."""
    of_run = (TaskInstance.dag_id == dag_run.dag_id, TaskInstance.run_id == dag_run.run_id, *which)
    tried = list(session.scalars(select(TaskInstance).where(*of_run, TaskInstance.try_number > 0)))
    if tried:
        # their tries get a place in the history, and the next ones their full number
        clear_task_instances(tried, session, dag_run_state=False)
        session.flush()
    session.execute(
        update(TaskInstance)
        .where(*of_run, TaskInstance.try_number == 0)
        .values(state=None, start_date=None, end_date=None)
        .execution_options(synchronize_session=False)
    )


def _set_state(dag_run: DagRun, state: TaskInstanceState, session: Session, *which: Any) -> None:
    """Give a state to those task instances that have none."""
    now = datetime.now(timezone.utc)
    session.execute(
        update(TaskInstance)
        .where(
            TaskInstance.dag_id == dag_run.dag_id,
            TaskInstance.run_id == dag_run.run_id,
            TaskInstance.state.is_(None),
            *which,
        )
        .values(state=state, start_date=now, end_date=now)
        .execution_options(synchronize_session=False)
    )
