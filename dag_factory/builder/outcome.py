"""The task that makes a run with a failed node a failed run, whatever a false condition skipped around it.

Airflow takes the state of a run from its last tasks. A join below a false condition is skipped, and a
condition that names a state runs: either hides that a node above it failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import DAG, BaseOperator

OUTCOME_TASK_ID = "dms__outcome"


def add_outcome(dag: DAG, conditions: Iterable[str]) -> None:
    """Add the task to a DAG in which a failure could otherwise be hidden.

    It stands below the last nodes, and below each whose failure another may hide. No worker starts for it.

    :param dag: with all of the flow's nodes
    :param conditions: ids of the nodes that skip what is downstream of them
    """
    children = {task.task_id: task.downstream_task_ids for task in dag.tasks}
    hidden = _can_be_hidden(dag, children, conditions)
    if not hidden:
        return
    from airflow.providers.standard.operators.empty import EmptyOperator

    outcome: BaseOperator = EmptyOperator(
        task_id=OUTCOME_TASK_ID,
        task_display_name="Outcome",
        doc_md="Fails if a node failed, and the run with it.",
        owner=next(iter(dag.tasks)).owner,
        trigger_rule="none_failed",
        dag=dag,
    )
    last = {node for node, below in children.items() if not below}
    outcome.set_upstream([dag.get_task(node) for node in children if node in hidden or node in last])


def _can_be_hidden(dag: DAG, children: Mapping[str, Iterable[str]], conditions: Iterable[str]) -> set[str]:
    """Return the nodes that can fail although none of their children becomes ``upstream_failed``.

    Such a child runs in spite of it, or is skipped by a condition that can be decided in spite of it.
    """
    runs_in_spite = {task.task_id for task in dag.tasks if task.trigger_rule != "all_success"}
    skipped_by = {condition: _downstream(children, condition) for condition in conditions}
    hidden = set()
    for node, below in children.items():
        skippable = set()
        if any(child in skipped for child in below for skipped in skipped_by.values()):
            downstream = _downstream(children, node)
            for condition, skipped in skipped_by.items():
                if condition != node and (condition not in downstream or condition in runs_in_spite):
                    skippable |= skipped
        if any(child in skippable or child in runs_in_spite for child in below):
            hidden.add(node)
    return hidden


def _downstream(children: Mapping[str, Iterable[str]], node: str) -> set[str]:
    reached: set[str] = set()
    ahead = list(children[node])
    while ahead:
        child = ahead.pop()
        if child not in reached:
            reached.add(child)
            ahead.extend(children[child])
    return reached
