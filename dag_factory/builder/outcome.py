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
    """Add the task to a DAG, below each node whose failure could otherwise be hidden.

    No worker starts for it. A DAG without conditions needs none: nothing is skipped there.

    :param dag: with all of the flow's nodes
    :param conditions: ids of the nodes that skip what is downstream of them
    """
    children = {task.task_id: task.downstream_task_ids for task in dag.tasks}
    hiding = _downstream(children, conditions)
    hiding.update(task.task_id for task in dag.tasks if task.trigger_rule != "all_success")
    from airflow.providers.standard.operators.empty import EmptyOperator

    outcome: BaseOperator = EmptyOperator(
        task_id=OUTCOME_TASK_ID,
        task_display_name="Outcome",
        doc_md="Fails if a node failed, and the run with it.",
        owner=next(iter(dag.tasks)).owner,
        trigger_rule="none_failed",
        dag=dag,
    )
    outcome.set_upstream(
        [dag.get_task(node) for node, below in children.items() if not below or not hiding.isdisjoint(below)]
    )


def _downstream(children: Mapping[str, Iterable[str]], conditions: Iterable[str]) -> set[str]:
    """Return all nodes below any of the conditions."""
    reached: set[str] = set()
    ahead = [child for condition in conditions for child in children[condition]]
    while ahead:
        node = ahead.pop()
        if node not in reached:
            reached.add(node)
            ahead.extend(children[node])
    return reached
