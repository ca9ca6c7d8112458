"""A flow as a DAG: its schedule, its limits, its nodes and what the UI says about it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG
from airflow.sdk.configuration import conf

from dag_factory.builder.docs import flow_docs, flow_tags
from dag_factory.builder.nodes import WORK
from dag_factory.builder.trigger_form import is_wanted, trigger_form
from dag_factory.checks.files import FILE_KEYS
from dms_provider.policies.dag import apply_policies
from dms_provider.policies.rules import FlowPolicies

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from dag_factory.spec import Flow, Node
    from dag_factory.validation import Validated
    from dms_provider.schedules import Schedule
    from dms_provider.timetables.flow import FlowTimetable
    from dms_provider.variables.scope import FlowScope

MAX_ACTIVE_RUNS = 1000
"""So many runs of a flow may be going: what one does beside another is decided by its concurrency policy."""


def build_dag(validated: Validated, *, draft: bool = False, for_task: bool = False) -> DAG:
    """Make the DAG of a flow.

    :param validated: a flow without errors, each node of a type in :data:`dag_factory.builder.nodes.WORK`
    :param draft: it is the editing version of the flow, which never runs by itself
    :param for_task: a task of it is about to start, which needs the nodes, but neither schedule nor docs
    """
    flow = validated.flow
    schedule = flow.schedule.to_schedule() if flow.schedule and not for_task else None
    dag = DAG(
        validated.flow_id,
        dag_display_name=flow.name or validated.flow_id,
        description=flow.description,
        doc_md=None if for_task else flow_docs(flow, validated.text, schedule),
        schedule=None if draft or schedule is None else _timetable(schedule),
        start_date=None,
        catchup=False,
        is_paused_upon_creation=False,
        max_active_runs=MAX_ACTIVE_RUNS,
        dagrun_timeout=flow.timeout,
        params=trigger_form(flow) if not for_task and is_wanted() else None,
        tags=flow_tags(flow, draft=draft),
        auto_register=False,
        **_settings(),
    )
    scope = flow.scope()
    # an operator that is given its DAG first copies the DAG's defaults, of which there are none
    tasks = {node_id: _task(node_id, node, flow, scope, validated) for node_id, node in flow.nodes.items()}
    dag.add_tasks(tasks.values())
    for node_id, node in flow.nodes.items():
        if node.after:
            # as set_upstream does it, which first hashes the DAG of both ends by value, each time
            tasks[node_id].upstream_task_ids.update(node.after)
            for upstream in node.after:
                tasks[upstream].downstream_task_ids.add(node_id)
    apply_policies(
        dag,
        FlowPolicies(flow.error_handling, flow.concurrency, flow.mode_2_scope, scope.timezone, flow.pools),
    )
    return dag


@cache
def _settings() -> dict[str, Any]:
    """Return what Airflow's configuration says of every DAG; a DAG that is not told reads it anew."""
    return {
        "max_active_tasks": conf.getint("core", "max_active_tasks_per_dag"),
        "max_consecutive_failed_dag_runs": conf.getint("core", "max_consecutive_failed_dag_runs_per_dag"),
        "disable_bundle_versioning": conf.getboolean("dag_processor", "disable_bundle_versioning"),
    }


def _task(node_id: str, node: Node, flow: Flow, scope: FlowScope, validated: Validated) -> BaseOperator:
    text = None
    if validated.file_texts:
        paths = (("nodes", node_id, *keys) for keys in FILE_KEYS)
        text = next((validated.file_texts[path] for path in paths if path in validated.file_texts), None)
    operator, arguments = WORK[node.type](node, text)
    optional: dict[str, Any] = {}
    if (pool := node.pool or flow.pool) is not None:
        optional["pool"] = pool
    if node.queue is not None:
        optional["queue"] = node.queue
    if node.variables:
        optional["variables"] = node.variables
    if inputs := validated.inputs.get(node_id):
        optional["inputs"] = inputs
    return operator(
        task_id=node_id,
        task_display_name=node.name or node_id,
        doc_md=node.description or None,
        owner=flow.owner,
        retries=node.retry.count,
        retry_delay=node.retry.interval,
        execution_timeout=node.timeout,
        scope=scope,
        **arguments,
        **optional,
    )


def _timetable(schedule: Schedule) -> FlowTimetable:
    from dms_provider.timetables.flow import FlowTimetable

    return FlowTimetable(schedule)
