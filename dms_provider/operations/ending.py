"""Stop and set success: what a run has become is said by hand, as in Airflow's UI.

Source: DMS reference, section 6.2.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow.api.common.mark_tasks import set_dag_run_state_to_failed, set_dag_run_state_to_success
from airflow.listeners.listener import get_listener_manager

from dms_provider.operations.errors import Refused
from dms_provider.operations.restart import dag_of
from dms_provider.operations.runs import ENDED, state_of

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

_STOPPED = "The run was stopped by hand."

log = logging.getLogger(__name__)


def stop(run: DagRun, session: Session) -> None:
    """End a run as failed. Its running nodes are stopped, the others are not run.

    :raises Refused: it has ended
    """
    if state_of(run) in ENDED:
        raise Refused(f"run {run.run_id} has ended: it is {state_of(run)}")
    dag = dag_of(run, session)
    _, stopped = set_dag_run_state_to_failed(dag=dag, run_id=run.run_id, commit=True, session=session)
    listeners = get_listener_manager().hook
    for node in stopped:
        _tell(listeners.on_task_instance_failed, previous_state=None, task_instance=node, error=_STOPPED)
    run.dag = dag
    _tell(listeners.on_dag_run_failed, dag_run=run, msg=_STOPPED)


def set_success(run: DagRun, session: Session) -> None:
    """Have a failed run count as a success. Its nodes keep their states.

    :raises Refused: it has not failed
    """
    state = state_of(run)
    if state not in ("failed", "refused"):
        hint = "" if state in ENDED else "; stop it first, or wait for its end"
        raise Refused(f"run {run.run_id} is {state}; only a failed run can be set to success{hint}")
    dag = dag_of(run, session)
    set_dag_run_state_to_success(dag=dag, run_id=run.run_id, commit=True, session=session)
    run.dag = dag
    listeners = get_listener_manager().hook
    _tell(listeners.on_dag_run_success, dag_run=run, msg="The run was set to success by hand.")


def _tell(listeners: Callable[..., object], **said: object) -> None:
    """Tell the listeners, as Airflow's API does; what one of them raises harms nobody."""
    try:
        listeners(**said)
    except Exception:
        log.exception("A listener failed")
