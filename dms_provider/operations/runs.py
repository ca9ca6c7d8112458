"""The runs of a flow: found, described, started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.models.dagrun import DagRun
from sqlalchemy import func, select

from dms_provider.operations.errors import NotKnown, Refused
from dms_provider.variables.run_times import run_times

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from dms_provider.operations.flows import KnownFlow

ENDED = frozenset({"success", "failed", "skipped", "refused"})
"""States, as :func:`state_of` says them, of a run that does nothing any more."""

_RUNS_TO_SUGGEST = 1000


def find_run(flow_id: str, run_id: str, session: Session) -> DagRun:
    """Return a run of a flow.

    :raises NotKnown: there is none of this id
    """
    run: DagRun | None = session.scalar(
        select(DagRun).where(DagRun.dag_id == flow_id, DagRun.run_id == run_id)
    )
    if run is None:
        newest = select(DagRun.run_id).where(DagRun.dag_id == flow_id).order_by(DagRun.id.desc())
        raise NotKnown("run", run_id, session.scalars(newest.limit(_RUNS_TO_SUGGEST)), of=flow_id)
    return run


def newest_runs(flow_ids: Collection[str], session: Session) -> dict[str, DagRun]:
    """Return the run of each flow that was made last."""
    last = select(func.max(DagRun.id)).where(DagRun.dag_id.in_(flow_ids)).group_by(DagRun.dag_id)
    return {run.dag_id: run for run in session.scalars(select(DagRun).where(DagRun.id.in_(last)))}


def decided(run: DagRun) -> Mapping[str, Any]:
    """Return what was asked of a run and decided about it: its conf below ``dms``."""
    said = (run.conf or {}).get("dms")
    return said if isinstance(said, Mapping) else {}


def state_of(run: DagRun) -> str:
    """Return the state of a run: Airflow's own, or ``skipped`` or ``refused`` for one that ran no node."""
    state = str(run.state)
    said = decided(run)
    if state == "success" and said.get("skipped_for") is not None:
        return "skipped"
    if state == "failed" and said.get("refused") is not None:
        return "refused"
    return state


def business_time_of(run: DagRun, timezone: str) -> str | None:
    """Return the business time of a run as ISO 8601, ``None`` if its conf does not allow one.

    :param timezone: IANA name of the flow's zone
    """
    try:
        return run_times(run, timezone).business_time.isoformat()
    except ValueError:
        return None


def start_run(flow: KnownFlow, asked: Mapping[str, Any], session: Session) -> DagRun:
    """Make a run of a flow by hand; the scheduler starts it.

    :param asked: of the run: its conf below ``dms``
    :return: the run, in state ``queued`` once the session is committed
    :raises Refused: Airflow makes no such run of the DAG
    """
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.exceptions import DagRunAlreadyExists
    from airflow.utils.types import DagRunTriggeredByType

    from dms_provider.operations.person import person

    try:
        run = trigger_dag(
            flow.flow_id,
            triggered_by=DagRunTriggeredByType.CLI,
            triggering_user_name=person(),
            conf={"dms": dict(asked)} if asked else None,
            session=session,
        )
    except (ValueError, DagRunAlreadyExists) as error:
        raise Refused(f"Airflow makes no such run of {flow.flow_id}: {error}") from None
    assert run is not None
    return run
