"""The runs of a flow that is waited for, as Airflow's tables have them. Only for the scheduler.

All is asked in the transaction that starts a run, so each question is bounded: by the window, by what the
need can use of it, and by a number.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunType
from sqlalchemy import and_, exists, func, not_, or_, select

from dms_provider.dependencies.dependency import BY_HAND, Dependency
from dms_provider.dependencies.runs import NotedRun, NotedRuns, on_clock_of
from dms_provider.dependencies.times import MOST_OF_ANY, MOST_TIMES, clock_margin, latest_slot
from dms_provider.variables.run_conf import read_run_conf
from dms_provider.variables.run_times import RunTimes, run_times

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MOST_OF_ONE_TIME = 1_000
"""So many of the newest runs are noted where the latest decides: the newest may be deleted."""
_SUCCEEDED_OF_ANY = 10
"""So many that have succeeded besides: one is enough, and may be cleared."""
_COUNT_THOUGH_BY_HAND = ("dry_run", "time_range")
_OF_A_PART = ("node", "from_node")
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


def runs_of_window(
    dependency: Dependency, noted: NotedRuns, session: Session, *, known: Collection[str] = ()
) -> dict[str, NotedRun]:
    """Return the runs that decide what a node waits for.

    :param noted: the zone and the schedule of the other flow
    :param known: ids of runs that are noted already, and need not be read again
    """
    try:
        which = _within_window(dependency, noted)
    except OverflowError:
        # the node itself says so
        return {}
    most = MOST_TIMES
    if dependency.is_of_one_time:
        most = MOST_OF_ONE_TIME
    elif dependency.need == "any":
        most = MOST_OF_ANY
    if noted.is_flow and dependency.node is None:
        which.append(_said("kind").not_in(_OF_A_PART))
    order = [_business_time(noted).desc()]
    if noted.is_scheduled:
        # of runs started by hand there may be many more
        order.insert(0, _is_regular(noted).desc())
    rows = _runs(dependency.flow, noted, session, *which, order=order, most=most)
    if dependency.need == "any" and len(rows) == most:
        which.append(_has_succeeded(dependency.node))
        rows += _runs(dependency.flow, noted, session, *which, order=order, most=_SUCCEEDED_OF_ANY)
    unknown = (row for row in rows if row.run_id not in known)
    found = {row.run_id: noted_run(row, noted.timezone, is_flow=noted.is_flow) for row in unknown}
    return {run_id: run for run_id, run in found.items() if run is not None}


def first_run(flow: str, noted: NotedRuns, session: Session, *, by_hand: bool) -> str | None:
    """Return the business time of the first run of a whole flow.

    :param by_hand: runs started by hand count
    """
    which: list[Any] = []
    if noted.is_flow:
        which.append(_said("kind").not_in(_OF_A_PART))
    if not by_hand:
        which.append(_is_regular(noted))
    # no plain column: its index, which is that of all DAGs' runs, would be walked where there is no run
    oldest = func.coalesce(DagRun.run_after, DagRun.queued_at)
    rows = _runs(flow, noted, session, *which, order=(oldest,), most=1)
    found = [noted_run(row, noted.timezone, is_flow=noted.is_flow) for row in rows]
    return next((run.business_time for run in found if run is not None), None)


def noted_run(dag_run: Any, timezone: str, *, is_flow: bool) -> NotedRun | None:
    """Return what is noted of a run; ``None`` if nobody can tell its business time.

    :param timezone: IANA name of its flow's zone
    :param is_flow: of another DAG, the business time is the run time less a day
    """
    by_hand = str(dag_run.run_type) in BY_HAND
    try:
        if not is_flow:
            moment = RunTimes.from_run_time(dag_run.run_after, timezone).business_time.isoformat()
            return NotedRun(moment, by_hand, False, int(time.time()))
        conf = read_run_conf(dag_run.conf)
        moment = run_times(dag_run, timezone).business_time.isoformat()
    except (ValueError, OverflowError):
        return None
    is_part = conf.node is not None or conf.from_node is not None
    is_manual = by_hand and not conf.time_range and conf.kind != "dry_run"
    return NotedRun(moment, is_manual, is_part, int(time.time()))


def _within_window(dependency: Dependency, noted: NotedRuns) -> list[Any]:
    """Return what says that a run is about a business time that may decide.

    :raises OverflowError: the window leads out of the calendar
    """
    span = dependency.span
    zone = ZoneInfo(noted.timezone)
    zones = (zone, ZoneInfo(dependency.timezone))
    end = on_clock_of(span.last, dependency.timezone, noted.timezone)
    end += clock_margin(end, zones)
    begin = None if span.first is None else on_clock_of(span.first, dependency.timezone, noted.timezone)
    if dependency.is_of_one_time and noted.schedule is not None and noted.is_scheduled:
        begin = latest_slot(noted.schedule, span, dependency.timezone) or begin
    if begin is not None:
        begin -= clock_margin(begin, zones)
    by_slot = [DagRun.run_after <= (end + _DAY).replace(tzinfo=zone)]
    if begin is not None:
        by_slot.append(DagRun.run_after >= (begin + _DAY).replace(tzinfo=zone))
    if not noted.is_flow:
        return by_slot
    # texts of ISO 8601 sort as the times that they say; with a zone behind it a text is the greater one
    said = [_said("business_time") <= (end + _SECOND).isoformat(timespec="seconds")]
    if begin is not None:
        said.append(_said("business_time") >= begin.isoformat(timespec="seconds"))
    # most runs are scheduled ones, and their conf need not be looked into
    is_scheduled = DagRun.run_type == DagRunType.SCHEDULED
    return [or_(and_(is_scheduled, *by_slot), and_(not_(is_scheduled), *said))]


def _is_regular(noted: NotedRuns) -> Any:
    """Return what says that a run counts, whoever asks."""
    is_regular: Any = DagRun.run_type.not_in(BY_HAND)
    if not noted.is_flow:
        return is_regular
    by_kind = _said("kind").in_(_COUNT_THOUGH_BY_HAND)
    return or_(is_regular, by_kind, _said("time_range").is_not(None))


def _has_succeeded(node: str | None) -> Any:
    if node is None:
        return DagRun.state == DagRunState.SUCCESS
    return exists().where(
        TaskInstance.dag_id == DagRun.dag_id,
        TaskInstance.run_id == DagRun.run_id,
        TaskInstance.task_id == node,
        TaskInstance.state == TaskInstanceState.SUCCESS,
    )


def _business_time(noted: NotedRuns) -> Any:
    return _said("business_time") if noted.is_flow else DagRun.run_after


def _said(key: str) -> Any:
    return DagRun.conf["dms"][key].as_string()


def _runs(
    flow: str, noted: NotedRuns, session: Session, *which: Any, order: Sequence[Any], most: int
) -> list[Any]:
    if noted.is_flow:
        said_nothing = [_said(key).is_(None) for key in ("skipped_for", "refused", "undecided")]
        which = (*which, _said("kind").is_not(None), *said_nothing)
    columns = (DagRun.run_id, DagRun.run_type, DagRun.run_after, DagRun.conf)
    query = select(*columns).where(DagRun.dag_id == flow, *which).order_by(*order).limit(most)
    return list(session.execute(query))
