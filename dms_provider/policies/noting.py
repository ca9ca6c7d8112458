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
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.models.crypto import get_fernet
from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.variable import Variable
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable
from sqlalchemy import Table, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import object_session

from dms_provider.dependencies.dependency import Dependency, window_of
from dms_provider.dependencies.runs import NotedRun, NotedRuns, variable_key
from dms_provider.dependencies.times import latest_slot
from dms_provider.policies.rules import OUTCOME_TASK_ID, FlowPolicies
from dms_provider.policies.savepoint import is_lock_taken, savepoint
from dms_provider.schedules import Cron, Schedule, ScheduleError
from dms_provider.timetables.flow import FlowTimetable
from dms_provider.variables.run_conf import read_run_conf
from dms_provider.variables.run_times import RunTimes, run_times

if TYPE_CHECKING:
    from airflow.serialization.definitions.dag import SerializedDAG
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

SENSOR = "DependencyCheckSensor"
"""Class name of the nodes that wait; an operator in a serialized DAG has no class."""

_VARIABLES: Table = Variable.__table__
_BY_HAND = frozenset({"manual", "operator_triggered"})
_MARGIN = timedelta(days=2)
"""What zones can make between a time on one wall clock and on another, and a day more."""
_OPEN_WINDOW_RUNS = 100
"""So many runs before the asking one are noted for a window without a begin."""
_MOST_RUNS = 20_000
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
    found = _noted_run(dag_run, noted.timezone, is_flow=dag.has_task(OUTCOME_TASK_ID))
    if found is not None:
        _write(dag_run.dag_id, noted.with_runs({dag_run.run_id: found}), session)


def note_run_of_other_dag(dag_run: DagRun, dag: SerializedDAG) -> None:
    """Note a run of a DAG that is no flow; what goes wrong is logged, and is no concern of that run.

    :param dag_run: in the session of the scheduler or the API server
    """
    session = object_session(dag_run)
    if session is None:
        return
    try:
        session.flush()
        tries = 1
        while not _is_noted(dag_run, dag, session):
            if tries == _TRIES:
                log.warning("%s: run %s could not be noted: another is at it", dag_run.dag_id, dag_run.run_id)
                return
            tries += 1
            time.sleep(_BETWEEN_TRIES)
    except Exception:
        log.exception("%s: run %s could not be noted", dag_run.dag_id, dag_run.run_id)


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
                is_manual=str(dag_run.run_type) in _BY_HAND,
            )
            _ = dependency.span
        except (ValueError, OverflowError, AttributeError, TypeError):
            continue
        asked[task_id] = dependency
    return list(asked.values())


def _make_sure(dependency: Dependency, dag: SerializedDAG, session: Session) -> None:
    """Have the Variable of a flow hold what a node that waits for it has to know."""
    flow = dependency.flow
    key = variable_key(flow)
    stored = _read(key, session)
    noted = _with_all(stored, dependency, dag, session)
    if noted == stored:
        return
    if stored is None:
        _lock_flow(flow, session)
    stored = _read(key, session, lock=True)
    _write(flow, _with_all(stored, dependency, dag, session), session)


def _with_all(
    noted: NotedRuns | None, dependency: Dependency, dag: SerializedDAG, session: Session
) -> NotedRuns:
    flow = dependency.flow
    if noted is None or noted.version is None or noted.version != _version_of(flow, session):
        facts = _facts(flow, session)
        noted = facts if noted is None else replace(
            noted,
            timezone=facts.timezone,
            schedule=facts.schedule,
            exists=facts.exists,
            is_flow=facts.is_flow if facts.exists else noted.is_flow,
            version=facts.version,
        )  # fmt: skip
    lifetime = 2 * int((dag.dagrun_timeout or _LONGEST_RUN).total_seconds())
    noted = replace(noted, keep=max(noted.keep, lifetime))
    if dependency.first_run == "pass":
        # asked each time: a backfill may have gone farther back
        noted = replace(
            noted,
            first=_first_run(flow, noted, session, by_hand=True) or noted.first,
            first_regular=_first_run(flow, noted, session, by_hand=False) or noted.first_regular,
        )
    now = int(time.time())
    fresh = {
        run_id: run
        for run_id, run in _runs_of(dependency, noted, session).items()
        if run_id not in noted.runs
        or replace(noted.runs[run_id], noted=run.noted) != run
        or noted.runs[run_id].noted < now - noted.keep // 2
    }
    return noted.with_runs(fresh)


def _runs_of(dependency: Dependency, noted: NotedRuns, session: Session) -> dict[str, NotedRun]:
    """Return the runs that there are of a node's window, and some more."""
    span = dependency.span
    first = span.first
    most = _MOST_RUNS
    if first is None and noted.schedule is not None and noted.is_scheduled:
        first = latest_slot(noted.schedule, span, dependency.timezone)
    elif first is None:
        most = _OPEN_WINDOW_RUNS
    said = DagRun.conf["dms"]["business_time"].as_string()
    day = timedelta(days=1)
    zone = ZoneInfo(noted.timezone)
    if noted.is_flow:
        # texts of ISO 8601 sort as the days in them
        bounds = [said <= (span.last + _MARGIN).date().isoformat()]
        bounds += [] if first is None else [said >= (first - _MARGIN).date().isoformat()]
        newest = said.desc()
    else:
        bounds = [DagRun.run_after <= (span.last + day + _MARGIN).replace(tzinfo=zone)]
        bounds += [] if first is None else [DagRun.run_after >= (first + day - _MARGIN).replace(tzinfo=zone)]
        newest = DagRun.run_after.desc()
    rows = _runs(dependency.flow, noted, session, *bounds, order=newest, most=most)
    found = {row.run_id: _noted_run(row, noted.timezone, is_flow=noted.is_flow) for row in rows}
    return {run_id: run for run_id, run in found.items() if run is not None}


def _first_run(flow: str, noted: NotedRuns, session: Session, *, by_hand: bool) -> str | None:
    """Return the business time of the first run of a whole flow."""
    said = DagRun.conf["dms"]
    which: list[Any] = []
    if noted.is_flow:
        which.append(said["kind"].as_string().not_in(("node", "from_node")))
    if not by_hand:
        is_regular: Any = DagRun.run_type.not_in(_BY_HAND)
        which.append(or_(is_regular, said["kind"].as_string() == "dry_run") if noted.is_flow else is_regular)
    rows = _runs(flow, noted, session, *which, order=DagRun.run_after, most=1)
    found = [_noted_run(row, noted.timezone, is_flow=noted.is_flow) for row in rows]
    return next((run.business_time for run in found if run is not None), None)


def _runs(flow: str, noted: NotedRuns, session: Session, *which: Any, order: Any, most: int) -> list[Any]:
    said = DagRun.conf["dms"]
    if noted.is_flow:
        said_nothing = [said[key].as_string().is_(None) for key in ("skipped_for", "refused", "undecided")]
        which = (*which, said["kind"].as_string().is_not(None), and_(*said_nothing))
    columns = (DagRun.run_id, DagRun.run_type, DagRun.run_after, DagRun.conf)
    query = select(*columns).where(DagRun.dag_id == flow, *which).order_by(order).limit(most)
    return list(session.execute(query))


def _noted_run(dag_run: Any, timezone: str, *, is_flow: bool) -> NotedRun | None:
    """Return what is noted of a run; ``None`` if nobody can tell its business time."""
    by_hand = str(dag_run.run_type) in _BY_HAND
    try:
        if not is_flow:
            moment = RunTimes.from_run_time(dag_run.run_after, timezone).business_time.isoformat()
            return NotedRun(moment, by_hand, False, int(time.time()))
        conf = read_run_conf(dag_run.conf)
        moment = run_times(dag_run, timezone).business_time.isoformat()
    except (ValueError, OverflowError):
        return None
    is_part = conf.node is not None or conf.from_node is not None
    return NotedRun(moment, by_hand and conf.kind != "dry_run", is_part, int(time.time()))


def _version_of(flow: str, session: Session) -> str | None:
    """Return what changes with each version of a DAG."""
    found: str | None = session.scalar(
        select(SerializedDagModel.dag_hash)
        .join(DagVersion, SerializedDagModel.dag_version_id == DagVersion.id)
        .where(SerializedDagModel.dag_id == flow)
        .order_by(DagVersion.version_number.desc())
        .limit(1)
    )
    return found


def _facts(flow: str, session: Session) -> NotedRuns:
    """Return what the DAG of a flow says of its times."""
    from airflow.models.dagbag import DBDagBag

    version = _version_of(flow, session)
    dag = None
    if version is not None:
        dag = DBDagBag(load_op_links=False).get_latest_version_of_dag(flow, session=session)
    if dag is None:
        return NotedRuns(timezone="UTC", exists=False)
    timetable: Any = dag.timetable
    if dag.has_task(OUTCOME_TASK_ID):
        outcome: Any = dag.get_task(OUTCOME_TASK_ID)
        schedule = timetable.schedule if isinstance(timetable, FlowTimetable) else None
        zone = FlowPolicies.from_json(outcome.policies).timezone
        return NotedRuns(timezone=zone, schedule=schedule, version=version)
    if isinstance(timetable, FlowTimetable):
        schedule = timetable.schedule
        return NotedRuns(schedule.timezone, schedule, is_flow=False, version=version)
    try:
        if type(timetable) in (CronTriggerTimetable, CronDataIntervalTimetable):
            said: Mapping[str, Any] = timetable.serialize()
            schedule = Schedule(Cron(said["expression"]), timezone=said["timezone"])
            return NotedRuns(schedule.timezone, schedule, is_flow=False, version=version)
        name = str(getattr(dag.timezone, "name", "UTC"))
        ZoneInfo(name)
    except (ScheduleError, KeyError, ValueError, OSError):
        name = "UTC"
    return NotedRuns(name, is_flow=False, version=version)


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
