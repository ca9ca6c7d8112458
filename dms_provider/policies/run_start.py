"""A run of a flow starts: what is decided once, in the scheduler, inside the transaction that starts it.

Nothing here may end the scheduler: what goes wrong in the database is undone to a SAVEPOINT, and the run is
left undecided, so that its nodes fail with the reason. The row of the DAG is locked meanwhile, without
waiting for it: of two schedulers that start runs of one flow at once, one tries again in its next loop.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.utils.state import DagRunState
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import object_session

from dms_provider.policies.coupling import couple
from dms_provider.policies.rules import OUTCOME_TASK_ID, FlowPolicies
from dms_provider.policies.selection import not_selected
from dms_provider.variables.run_conf import WRITTEN_BY_THE_SCHEDULER, RunConf, RunConfError, read_run_conf
from dms_provider.variables.run_times import run_times

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.serialization.definitions.dag import SerializedDAG
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)


class RunRefused(ValueError):
    """The run cannot be run as it was asked for. The message says why and what to do."""


def start_run(dag_run: DagRun, dag: SerializedDAG) -> None:
    """Decide what a run does, and write it into the run's conf and, where nothing is run, on its note.

    :param dag_run: in the session of the scheduler, in state ``running``
    :param dag: of the flow, as it was serialized for this run
    """
    session = object_session(dag_run)
    if session is None:
        return
    try:
        session.flush()
        savepoint = session.connection().begin_nested()
        try:
            with session.no_autoflush:
                _start(dag_run, dag, session)
        except BaseException:
            savepoint.rollback()
            raise
        savepoint.commit()
    except OperationalError as error:
        if not _is_lock_taken(error):
            _leave_undecided(dag_run, error)
            return
        log.info("%s: another scheduler starts a run of it; %s waits", dag.dag_id, dag_run.run_id)
        dag_run.set_state(DagRunState.QUEUED)
    except Exception as error:
        _leave_undecided(dag_run, error)


def _start(dag_run: DagRun, dag: SerializedDAG, session: Session) -> None:
    from dms_provider.policies import run_tables as tables

    outcome: Any = dag.get_task(OUTCOME_TASK_ID)
    policies = FlowPolicies.from_json(outcome.policies)
    graph = tables.graph_of(dag)
    tables.lock_flow(dag.dag_id, session)
    has_run_before = dag_run.clear_number > 0
    try:
        conf = _conf_of(dag_run, dag, has_run_before=has_run_before)
        tables.make_pools(dag, policies.pools, session)
    except (RunConfError, RunRefused) as error:
        tables.refuse(dag_run, graph, session)
        _write(dag_run, refused=str(error))
        _note(dag_run, f"Not run: {error}")
        return
    if has_run_before:
        tables.reset_what_was_held_back(dag_run, dag, graph, session)
    left_out = not_selected(graph, node=conf.node, from_node=conf.from_node)
    tables.skip(dag_run, left_out, session)
    decided: dict[str, Any] = {
        "kind": _kind(dag_run, conf),
        "business_time": run_times(dag_run, policies.timezone).business_time.isoformat(),
        "refused": None,
        "undecided": None,
        "skipped_for": None,
    }
    if left_out:
        decided["outputs_from"] = tables.outputs_of_other_runs(dag_run, left_out, policies.timezone, session)
    if not conf.dry_run and conf.earlier_run is None:
        others = tables.other_runs(dag_run, session)
        coupling = couple(policies.concurrency, tables.starting_run(dag_run, session), others)
        if coupling.skipped_for is not None:
            tables.skip_run(dag_run, session)
            _write(dag_run, **decided | {"skipped_for": coupling.skipped_for})
            _note(dag_run, f"Skipped: run {coupling.skipped_for} was still going.")
            dag_run.set_state(DagRunState.SUCCESS)
            log.info("%s: %s is skipped for %s", dag.dag_id, dag_run.run_id, coupling.skipped_for)
            return
        decided["earlier_run"] = coupling.earlier_run
        decided["waits"] = coupling.waits
        if coupling.waits == "same_node_and_downstream" and coupling.earlier_run is not None:
            earlier_graph = tables.graph_of_run(dag.dag_id, coupling.earlier_run, session)
            decided["earlier_graph"] = earlier_graph if earlier_graph != graph else None
    _write(dag_run, **decided)


def _conf_of(dag_run: DagRun, dag: SerializedDAG, *, has_run_before: bool) -> RunConf:
    """Return what was asked of the run, and was decided about it if it has run before."""
    asked = (dag_run.conf or {}).get("dms")
    if not has_run_before and isinstance(asked, Mapping):
        # whoever triggers a run may have copied the conf of another
        _write(dag_run, **dict.fromkeys(WRITTEN_BY_THE_SCHEDULER))
    conf = read_run_conf(dag_run.conf)
    if conf.node is not None and conf.from_node is not None:
        raise RunConfError("node, from_node: give one of the two")
    for key, node_id in (("node", conf.node), ("from_node", conf.from_node)):
        if node_id is not None and not dag.has_task(node_id):
            raise RunConfError(f"{key}: {dag.dag_id} has no node {node_id[:40]!r}")
    return conf


def _kind(dag_run: DagRun, conf: RunConf) -> str:
    if conf.kind is not None:
        return conf.kind
    run_type = str(dag_run.run_type)
    if conf.dry_run:
        return "dry_run"
    if conf.node is not None:
        return "node"
    if conf.from_node is not None:
        return "from_node"
    if run_type == "backfill":
        return "time_range"
    if conf.business_time is not None:
        return "point_in_time"
    return "try" if run_type == "manual" else "scheduled"


def _write(dag_run: DagRun, **decided: Any) -> None:
    """Write into the run's conf; a key without a value is not in it."""
    conf = dict(dag_run.conf or {})
    asked = conf.get("dms")
    written = {**(asked if isinstance(asked, Mapping) else {}), **decided}
    conf["dms"] = {key: value for key, value in written.items() if value is not None}
    dag_run.conf = conf


def _note(dag_run: DagRun, text: str) -> None:
    from dms_provider.policies.run_tables import NOTE_LENGTH

    before = f"{dag_run.note}\n" if dag_run.note else ""
    dag_run.note = (before + text)[:NOTE_LENGTH]


def _leave_undecided(dag_run: DagRun, error: Exception) -> None:
    log.error("%s: nothing was decided about run %s", dag_run.dag_id, dag_run.run_id, exc_info=error)
    kind = "the database answered with an error" if isinstance(error, SQLAlchemyError) else "an error"
    reason = f"{kind}: {type(error).__name__}; the scheduler's log has the rest"
    _write(dag_run, **dict.fromkeys(WRITTEN_BY_THE_SCHEDULER) | {"undecided": reason})


def _is_lock_taken(error: OperationalError) -> bool:
    from airflow.utils.sqlalchemy import is_lock_not_available_error

    return bool(is_lock_not_available_error(error))
