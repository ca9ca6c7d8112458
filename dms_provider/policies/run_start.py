"""A run of a flow starts: what is decided once, in the scheduler, inside the transaction that starts it.

Nothing here may end the scheduler. All that is written is written inside a SAVEPOINT: what goes wrong is
undone, and the run is left undecided, so that its nodes fail with the reason. The row of the DAG is locked
meanwhile, without waiting for it: of two schedulers that start runs of one flow at once, one tries again in
its next loop.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, get_args

from airflow.utils.state import DagRunState
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import object_session

from dms_provider.policies import run_changes as changes
from dms_provider.policies import run_tables as tables
from dms_provider.policies.coupling import Coupling, couple
from dms_provider.policies.noting import RunsAreLocked, note_run
from dms_provider.policies.rules import OUTCOME_TASK_ID, Concurrency, ErrorHandling, FlowPolicies, is_node
from dms_provider.policies.run_changes import RunIsLocked, with_said
from dms_provider.policies.run_tables import FlowIsLocked, RunRefused
from dms_provider.policies.savepoint import TransactionLost, is_usable, may_pass, savepoint
from dms_provider.policies.selection import not_selected
from dms_provider.variables.run_conf import WRITTEN_BY_THE_SCHEDULER, RunConf, RunConfError, read_run_conf
from dms_provider.variables.run_times import run_times

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.serialization.definitions.dag import SerializedDAG
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

TRIES = 5
"""How often, by each scheduler, a decision is tried that a passing error of the database has prevented."""
_KEPT = ("earlier_run", "waits", "earlier_graph")
"""What was decided when the run first started, and stays when it is restored or rerun."""
_tries: Counter[int] = Counter()


def start_run(dag_run: DagRun, dag: SerializedDAG) -> None:
    """Decide what a run does, and write it into the run's conf and, where nothing is run, on its note.

    :param dag_run: in the session of the scheduler, in state ``running``
    :param dag: of the flow, as it was serialized for this run
    """
    session = object_session(dag_run)
    if session is None:
        return
    if dag_run.logical_date is not None and dag_run.logical_date > datetime.now(timezone.utc):
        # it could start no node, and whoever starts meanwhile could not be coupled to it
        _put_back(dag_run)
        return
    try:
        _flush(session)
        if _tries[dag_run.id] < TRIES:
            with savepoint(session):
                _start(dag_run, dag, session)
            _tries.pop(dag_run.id, None)
        else:
            _leave_undecided(dag_run, f"the database failed {TRIES} times", session)
    except (FlowIsLocked, RunIsLocked, RunsAreLocked):
        log.info(
            "%s: another scheduler starts a run of it, or of a flow that it waits for; %s waits",
            dag_run.dag_id,
            dag_run.run_id,
        )
        _put_back(dag_run)
    except TransactionLost:
        log.exception("Airflow's database has ended the transaction in which runs are started")
        # what the scheduler has done in it is undone as well, and done again; this run is queued as before
        session.rollback()
        _tries[dag_run.id] += 1
    except Exception as error:
        _not_decided(dag_run, error, session)
    finally:
        changes.forget_task_instances(dag_run, session)


def _start(dag_run: DagRun, dag: SerializedDAG, session: Session) -> None:
    tables.lock_flow(dag.dag_id, session)
    has_run_before = dag_run.clear_number > 0
    given = _as_given(dag_run.conf, has_run_before=has_run_before)
    try:
        policies = _policies_of(dag)
        conf = _conf_of(dag_run.conf, given, dag)
        business_time = _business_time(dag_run, policies).isoformat()
        tables.make_pools(dag, policies.pools, session)
    except (RunConfError, RunRefused) as error:
        changes.refuse(dag_run, tables.graph_of(dag), session)
        changes.write_run(dag_run, session, conf=with_said(given, refused=str(error)))
        changes.write_note(dag_run, f"Not run: {error}", session)
        return
    # a thousand nodes take their time, and mostly nobody asks for them
    graph = tables.graph_of(dag) if has_run_before or conf.node or conf.from_node else {}
    if has_run_before:
        changes.reset_what_was_held_back(dag_run, policies, graph, session)
    left_out = not_selected(graph, node=conf.node, from_node=conf.from_node)
    if has_run_before and conf.node is not None and tables.has_succeeded(dag_run, conf.node, session):
        left_out = set(graph) - {conf.node}
    changes.skip(dag_run, left_out, session)
    decided: dict[str, Any] = {"kind": _kind(dag_run, conf), "business_time": business_time}
    if left_out:
        decided["outputs_from"] = tables.outputs_of_other_runs(dag_run, left_out, business_time, session)
    coupling = Coupling() if conf.dry_run else _coupling(dag_run, policies.concurrency, conf, session)
    if coupling.skipped_for is not None:
        changes.skip_run(dag_run, session)
        decided |= dict.fromkeys(_KEPT) | {"skipped_for": coupling.skipped_for}
        changes.write_run(dag_run, session, conf=with_said(given, **decided), state=DagRunState.SUCCESS)
        changes.write_note(dag_run, f"Skipped: run {coupling.skipped_for} was still going.", session)
        log.info("%s: %s is skipped for %s", dag.dag_id, dag_run.run_id, coupling.skipped_for)
        return
    if coupling.let_go:
        changes.let_go(dag_run, coupling.let_go, session)
    decided |= {"earlier_run": coupling.earlier_run, "waits": coupling.waits, "earlier_graph": None}
    if coupling.waits == "same_node_and_downstream" and coupling.earlier_run is not None:
        decided["earlier_graph"] = tables.graph_if_another(dag_run, coupling.earlier_run, dag, session)
    changes.write_run(dag_run, session, conf=with_said(given, **decided))
    note_run(dag_run, dag, session)


def _as_given(conf: Any, *, has_run_before: bool) -> dict[str, Any]:
    """Return the conf of a run without what is decided now: whoever triggers it may have copied another's."""
    if not isinstance(conf, Mapping) or not isinstance(conf.get("dms"), Mapping):
        return dict(conf) if isinstance(conf, Mapping) else {}
    kept = (*_KEPT, "kind") if has_run_before else ()
    return with_said(conf, **dict.fromkeys(key for key in WRITTEN_BY_THE_SCHEDULER if key not in kept))


def _conf_of(stored: Any, given: Mapping[str, Any], dag: SerializedDAG) -> RunConf:
    """Return what was asked of the run, and was decided about it if it has run before."""
    if stored is not None and not isinstance(stored, Mapping):
        raise RunRefused("the conf of this run is no JSON object; give it as one")
    conf = read_run_conf(given)
    if conf.node is not None and conf.from_node is not None:
        raise RunConfError("node, from_node: give one of the two")
    for key, node_id in (("node", conf.node), ("from_node", conf.from_node)):
        if node_id is not None and not (is_node(node_id) and dag.has_task(node_id)):
            raise RunConfError(f"{key}: {dag.dag_id} has no node {node_id[:40]!r}")
    return conf


def _policies_of(dag: SerializedDAG) -> FlowPolicies:
    """Return the policies of a flow, as its DAG was serialized; that may be long ago."""
    outcome: Any = dag.get_task(OUTCOME_TASK_ID)
    try:
        policies = FlowPolicies.from_json(outcome.policies)
        known = policies.concurrency in get_args(Concurrency) and (
            policies.error_handling in get_args(ErrorHandling)
        )
    except (AttributeError, TypeError):
        known = False
    if not known:
        raise RunRefused(
            "the flow's policies were written by another version of airflow-provider-dms; once the DAG"
            " processor has read the flow again, clear this run"
        )
    return policies


def _business_time(dag_run: DagRun, policies: FlowPolicies) -> datetime:
    try:
        return run_times(dag_run, policies.timezone).business_time
    except RunConfError:
        raise
    except (ValueError, OverflowError) as error:
        raise RunRefused(f"business time: {error}") from error


def _coupling(dag_run: DagRun, concurrency: Concurrency, conf: RunConf, session: Session) -> Coupling:
    if concurrency == "ignore":
        return Coupling()
    kept = conf.earlier_run if conf.earlier_run != dag_run.run_id else None
    run = tables.starting_run(dag_run, kept, session)
    others = tables.other_runs(dag_run, session)
    if concurrency == "skip" and run.has_run_before:
        waiting = [other.run_id for other in others if other.earlier_run == run.run_id and other.started]
        begun = changes.has_begun(dag_run.dag_id, waiting, session) if waiting else ()
        others = [replace(other, has_begun=True) if other.run_id in begun else other for other in others]
    return couple(concurrency, run, others)


def _kind(dag_run: DagRun, conf: RunConf) -> str:
    run_type = str(dag_run.run_type)
    if conf.kind is not None and run_type != "backfill":
        # a backfill may take over a run that was of another kind
        return conf.kind
    if conf.dry_run:
        return "dry_run"
    if conf.node is not None:
        return "node"
    if conf.from_node is not None:
        return "from_node"
    if run_type == "backfill" or conf.time_range:
        return "time_range"
    if conf.business_time is not None:
        return "point_in_time"
    return "try" if run_type == "manual" else "scheduled"


def _put_back(dag_run: DagRun) -> None:
    """Have the run tried again in a later loop, behind those that were not tried yet."""
    queued_at = dag_run.queued_at
    dag_run.set_state(DagRunState.QUEUED)
    dag_run.queued_at = queued_at
    dag_run.last_scheduling_decision = datetime.now(timezone.utc)


def _not_decided(dag_run: DagRun, error: Exception, session: Session) -> None:
    """Try again later where that may help; otherwise leave the run undecided."""
    if may_pass(error) and _tries[dag_run.id] + 1 < TRIES:
        _tries[dag_run.id] += 1
        log.warning(
            "%s: run %s could not be decided about, and waits", dag_run.dag_id, dag_run.run_id, exc_info=error
        )
        _put_back(dag_run)
        return
    log.error("%s: nothing was decided about run %s", dag_run.dag_id, dag_run.run_id, exc_info=error)
    kind = "the database answered with an error" if isinstance(error, SQLAlchemyError) else "an error"
    _leave_undecided(dag_run, f"{kind}: {type(error).__name__}; the scheduler's log has the rest", session)


def _leave_undecided(dag_run: DagRun, reason: str, session: Session) -> None:
    """Have the run's nodes fail for a reason; where even that cannot be written, the run stays queued."""
    # a conf that cannot be written again is given up: it may say that something was decided
    for conf in (dag_run.conf, {}):
        with suppress(Exception):
            with savepoint(session):
                undecided = with_said(_as_given(conf, has_run_before=False), undecided=reason)
                changes.write_run(dag_run, session, conf=undecided)
            _tries.pop(dag_run.id, None)
            return
    log.error("%s: the conf of run %s cannot be written", dag_run.dag_id, dag_run.run_id)
    if not is_usable(session):
        session.rollback()
        return
    _put_back(dag_run)


def _flush(session: Session) -> None:
    """Write what the scheduler has changed, so that it is seen here and is not undone here.

    :raises TransactionLost: that failed
    """
    try:
        session.flush()
    except Exception as error:
        raise TransactionLost(f"{type(error).__name__}: {error}") from error
