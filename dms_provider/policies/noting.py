"""The scheduler notes the runs that somebody waits for. Only for the scheduler.

A run that starts makes sure that each flow one of its nodes waits for has an Airflow Variable, and that the
runs of the node's window are in it; a run of such a flow that starts adds itself. Both happen in the
transaction that starts the run, inside its SAVEPOINT. Whoever makes the Variable has the row of that flow's
DAG locked, as every run of it has while it starts: so none is missed in between.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.models.crypto import get_fernet
from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.variable import Variable
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable
from sqlalchemy import Table, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import object_session

from dms_provider.dependencies.dependency import BY_HAND, Dependency, window_of
from dms_provider.dependencies.runs import NotedRun, NotedRuns, variable_key
from dms_provider.policies.noted_runs import first_run, noted_run, runs_of_window
from dms_provider.policies.rules import OUTCOME_TASK_ID, FlowPolicies
from dms_provider.policies.savepoint import begin_again, is_lock_taken, savepoint
from dms_provider.schedules import Cron, Schedule, ScheduleError
from dms_provider.timetables.flow import FlowTimetable
from dms_provider.variables.run_times import run_times

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.serialization.definitions.dag import SerializedDAG
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

SENSOR = "DependencyCheckSensor"
"""Class name of the nodes that wait; an operator in a serialized DAG has no class."""

_VARIABLES: Table = Variable.__table__
_LONGEST_RUN = timedelta(days=30)
"""Of a flow that has no time-out."""
_TRIES = 5
_BETWEEN_TRIES = 0.05
_DESCRIPTION = "Which runs of {} dependency checks look at; kept by airflow-provider-dms, do not edit"


class RunsAreLocked(RuntimeError):
    """Another transaction notes runs of the same flow."""


def note_run(dag_run: DagRun, dag: SerializedDAG, session: Session) -> None:
    """Do what the start of a run means to those that wait.

    :param dag_run: it was decided about, and not skipped; what was decided is written
    :param dag: of the flow, as it was serialized for this run
    :raises RunsAreLocked: another transaction is at it; try again
    """
    for dependency in _asked_by(dag_run, dag):
        _make_sure(dependency, dag, session)
    key = variable_key(dag_run.dag_id)
    if session.scalar(select(_VARIABLES.c.id).where(_VARIABLES.c.key == key)) is None:
        return
    noted = _read(key, session, lock=True)
    if noted is None or not noted.exists:
        facts = replace(_facts(dag_run.dag_id, session), keep=2 * int(_LONGEST_RUN.total_seconds()))
        noted = facts if noted is None else replace(facts, keep=noted.keep, runs=noted.runs)
    found = noted_run(dag_run, noted.timezone, is_flow=dag.has_task(OUTCOME_TASK_ID))
    if found is not None:
        _write(dag_run.dag_id, noted.with_started(dag_run.run_id, found), session)


def note_run_of_other_dag(dag_run: DagRun, dag: SerializedDAG, msg: str) -> None:
    """Note a run of a DAG that is no flow; what goes wrong is logged, and is no concern of that run.

    :param dag_run: in the session of the scheduler or the API server
    :param msg: what Airflow says of its start or end
    """
    session = object_session(dag_run)
    if session is None:
        return
    dag_id, run_id = dag_run.dag_id, dag_run.run_id
    try:
        session.flush()
        tries = 1
        while not _is_noted(dag_run, dag, session):
            if tries == _TRIES:
                log.warning("%s: run %s could not be noted: another is at it", dag_id, run_id)
                return
            tries += 1
            time.sleep(_BETWEEN_TRIES)
    except Exception:
        log.exception("%s: run %s could not be noted", dag_id, run_id)
        begin_again(session, msg)


def _is_noted(dag_run: DagRun, dag: SerializedDAG, session: Session) -> bool:
    try:
        with savepoint(session):
            note_run(dag_run, dag, session)
    except RunsAreLocked:
        return False
    return True


def _asked_by(dag_run: DagRun, dag: SerializedDAG) -> list[Dependency]:
    """Return what the nodes of a run wait for; one that cannot be understood will say so itself."""
    asked: dict[str, Dependency] = {}
    for task_id, task in dag.task_dict.items():
        node: Any = task
        if node.task_type != SENSOR:
            continue
        try:
            times = run_times(dag_run, node.timezone)
            dependency = Dependency(
                flow=node.flow,
                node=node.node or None,
                window=window_of(node.window, node.flow, dag_run.dag_id),
                need=node.need,
                first_run=node.first_run,
                on_failed=node.on_failed,
                timezone=node.timezone,
                business_time=times.business_time.replace(tzinfo=None).isoformat(),
                own_run=dag_run.run_id if node.flow == dag_run.dag_id else None,
                is_manual=str(dag_run.run_type) in BY_HAND,
                asking=dag_run.dag_id,
            )
            _ = dependency.span
        except (ValueError, OverflowError, AttributeError, TypeError):
            continue
        asked[task_id] = dependency
    return list(asked.values())


@dataclass(frozen=True)
class _News:
    """What a node has to know of a flow, and was found in Airflow's tables.

    :param facts: what its DAG says, if that is another than is noted
    :param keep: for so many seconds may somebody be waiting
    :param is_paused: as Airflow's row for the DAG has it
    :param is_gone: the same
    :param first: business time of its first run, if that was asked for
    :param first_by_hand: runs started by hand were asked for, too
    :param runs: those of the node's window that are not noted, or were noted long ago
    """

    facts: NotedRuns | None
    keep: int
    is_paused: bool = False
    is_gone: bool = False
    first: str | None = None
    first_by_hand: bool = False
    runs: Mapping[str, NotedRun] = field(default_factory=dict)

    def added_to(self, noted: NotedRuns) -> NotedRuns:
        facts = self.facts
        if facts is not None:
            noted = replace(
                noted,
                timezone=facts.timezone,
                schedule=facts.schedule,
                exists=facts.exists,
                is_flow=facts.is_flow if facts.exists else noted.is_flow,
                version=facts.version,
                waits_for=facts.waits_for,
            )
        noted = replace(
            noted, keep=max(noted.keep, self.keep), is_paused=self.is_paused, is_gone=self.is_gone
        ).with_runs(self.runs)
        return noted if self.first is None else noted.with_first(self.first, by_hand=self.first_by_hand)


def _make_sure(dependency: Dependency, dag: SerializedDAG, session: Session) -> None:
    """Have the Variable of a flow hold what a node that waits for it has to know."""
    flow = dependency.flow
    key = variable_key(flow)
    stored = _read(key, session)
    if stored is None:
        # nobody who starts a run of it adds it: none may start until this is committed
        _lock_flow(flow, session)
        stored = _read(key, session, lock=True) or _facts(flow, session)
        _write(flow, _news(stored, dependency, dag, session).added_to(stored), session)
        return
    news = _news(stored, dependency, dag, session)
    if news.added_to(stored) == stored:
        return
    # what started meanwhile has added itself
    stored = _read(key, session, lock=True)
    if stored is None:
        raise RunsAreLocked(flow)
    _write(flow, news.added_to(stored), session)


def _news(noted: NotedRuns, dependency: Dependency, dag: SerializedDAG, session: Session) -> _News:
    flow = dependency.flow
    facts = None
    version, is_paused, is_gone = _version_of(flow, session)
    if noted.version is None or noted.version != version:
        facts = _facts(flow, session)
    keep = 2 * int((dag.dagrun_timeout or _LONGEST_RUN).total_seconds())
    news = _News(facts, keep=keep, is_paused=is_paused, is_gone=is_gone)
    noted = news.added_to(noted)
    now = int(time.time())
    fresh = {run_id for run_id, run in noted.runs.items() if run.noted >= now - noted.keep // 2}
    news = replace(news, runs=runs_of_window(dependency, noted, session, known=fresh))
    by_hand = dependency.is_manual or not noted.is_scheduled
    if dependency.first_run == "pass" and not replace(noted, runs={}).ran_by(
        dependency.span.last, dependency.timezone, manual=by_hand, but=None
    ):
        found = first_run(flow, noted, session, by_hand=by_hand)
        news = replace(news, first=found, first_by_hand=by_hand)
    return news


def _version_of(flow: str, session: Session) -> tuple[str | None, bool, bool]:
    """Return what changes with each version of a DAG, whether it is paused, and whether it is gone."""
    found = session.execute(
        select(SerializedDagModel.dag_hash, DagModel.is_paused, DagModel.is_stale)
        .join(DagVersion, SerializedDagModel.dag_version_id == DagVersion.id)
        .join(DagModel, SerializedDagModel.dag_id == DagModel.dag_id)
        .where(SerializedDagModel.dag_id == flow)
        .order_by(DagVersion.version_number.desc())
        .limit(1)
    ).one_or_none()
    return (None, False, False) if found is None else (found[0], bool(found[1]), bool(found[2]))


def _facts(flow: str, session: Session) -> NotedRuns:
    """Return what the DAG of a flow says of its times, and what it waits for itself."""
    from airflow.models.dagbag import DBDagBag

    version, is_paused, is_gone = _version_of(flow, session)
    dag = None
    if version is not None:
        dag = DBDagBag(load_op_links=False).get_latest_version_of_dag(flow, session=session)
    if dag is None:
        return NotedRuns(timezone="UTC", exists=False)
    timezone, schedule = _times_of(dag)
    return NotedRuns(
        timezone,
        schedule,
        is_flow=dag.has_task(OUTCOME_TASK_ID),
        version=version,
        waits_for=tuple(sorted(_same_cycles_of(dag))),
        is_paused=is_paused,
        is_gone=is_gone,
    )


def _times_of(dag: SerializedDAG) -> tuple[str, Schedule | None]:
    """Return the zone and the schedule of a DAG."""
    timetable: Any = dag.timetable
    if dag.has_task(OUTCOME_TASK_ID):
        outcome: Any = dag.get_task(OUTCOME_TASK_ID)
        schedule = timetable.schedule if isinstance(timetable, FlowTimetable) else None
        return FlowPolicies.from_json(outcome.policies).timezone, schedule
    if isinstance(timetable, FlowTimetable):
        return timetable.schedule.timezone, timetable.schedule
    try:
        if type(timetable) in (CronTriggerTimetable, CronDataIntervalTimetable):
            said: Mapping[str, Any] = timetable.serialize()
            schedule = Schedule(Cron(said["expression"]), timezone=said["timezone"])
            return schedule.timezone, schedule
        name = str(getattr(dag.timezone, "name", "UTC"))
        ZoneInfo(name)
    except (ScheduleError, KeyError, ValueError, OSError):
        name = "UTC"
    return name, None


def _same_cycles_of(dag: SerializedDAG) -> set[str]:
    """Return the other flows whose runs a DAG's nodes wait for, cycles before their own apart."""
    found = set()
    for task in dag.task_dict.values():
        node: Any = task
        if node.task_type != SENSOR:
            continue
        # of a version of the provider that had other names it tells nothing
        flow, window = getattr(node, "flow", dag.dag_id), getattr(node, "window", None)
        if flow != dag.dag_id and window_of(window, flow, dag.dag_id) != "previous_cycle":
            found.add(str(flow))
    return found


def _lock_flow(flow: str, session: Session) -> None:
    of_flow = select(DagModel.dag_id).where(DagModel.dag_id == flow)
    try:
        session.execute(of_flow.with_for_update(nowait=True, key_share=True)).one_or_none()
    except OperationalError as error:
        if is_lock_taken(error):
            raise RunsAreLocked(flow) from error
        raise


def _read(key: str, session: Session, *, lock: bool = False) -> NotedRuns | None:
    """Return what a Variable holds; ``None`` if it is not there, or holds something else."""
    query = select(_VARIABLES.c.val, _VARIABLES.c.is_encrypted).where(_VARIABLES.c.key == key)
    if lock:
        query = query.with_for_update(nowait=True)
    try:
        row = session.execute(query).one_or_none()
    except OperationalError as error:
        if is_lock_taken(error):
            raise RunsAreLocked(key) from error
        raise
    if row is None:
        return None
    try:
        text = get_fernet().decrypt(row.val.encode()).decode() if row.is_encrypted else row.val
        return NotedRuns.from_text(text)
    except Exception:
        # encrypted with another key, or edited: it is written anew
        return None


def _write(flow: str, noted: NotedRuns, session: Session) -> None:
    key = variable_key(flow)
    fernet = get_fernet()
    text = noted.without_old(int(time.time())).to_text()
    values = {"val": fernet.encrypt(text.encode()).decode(), "is_encrypted": fernet.is_encrypted}
    of_key = _VARIABLES.c.key == key
    if session.scalar(select(_VARIABLES.c.id).where(of_key)) is not None:
        session.execute(update(_VARIABLES).where(of_key).values(**values))
        return
    try:
        session.execute(insert(_VARIABLES).values(key=key, description=_DESCRIPTION.format(flow), **values))
    except IntegrityError as error:
        raise RunsAreLocked(flow) from error
