"""Policies for a DAG of flow nodes: their trigger rules, and the helper tasks below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dms_provider.policies.rules import END_GROUP_ID, HOLD_TASK_ID, OUTCOME_TASK_ID, FlowPolicies

if TYPE_CHECKING:
    from airflow.sdk import DAG, BaseOperator

_FIRST = 1_000_000
"""Priority weight of what holds back, so that it does not stand in a queue behind nodes."""
_TOOLTIP = "Makes a run with a failed node a failed run, and holds back what may not begin any more."


def apply_policies(dag: DAG, policies: FlowPolicies) -> None:
    """Make the runs of a DAG behave as a flow with these policies.

    Call it once, when the DAG has all its tasks. Tasks that are no
    :class:`~dms_provider.operators.base.FlowOperator` end a run as failed like any, but do not obey.

    :param dag: whose tasks are the nodes
    :param policies: of the flow
    """
    from airflow.sdk import BaseOperator, TriggerRule

    from dms_provider.operators.base import FlowOperator

    nodes = [task for task in dag.tasks if isinstance(task, BaseOperator)]
    answers = _answers_to_a_failure(dag, nodes)
    for node in nodes:
        if isinstance(node, FlowOperator):
            if node.trigger_rule == "all_success":
                # what is not run because of a condition, or of the kind of run, is skipped by name
                node.trigger_rule = TriggerRule.NONE_FAILED
            node.policies = policies
            if node.task_id in answers:
                node.answers_failure = True
    add_helpers(dag, nodes, policies, answers)


def add_helpers(dag: DAG, nodes: list[BaseOperator], policies: FlowPolicies, answers: set[str]) -> None:
    """Add the helper tasks that the error handling policy needs below every node.

    :param answers: ids of the nodes that are the flow's answer to a failure
    """
    from airflow.sdk import TaskGroup

    from dms_provider.operators.helpers import HoldOperator, RunOutcomeOperator

    # one box in the graph, with one edge from each node, whatever is in it
    end = TaskGroup(
        END_GROUP_ID, group_display_name="Outcome", tooltip=_TOOLTIP, prefix_group_id=False, dag=dag
    )
    owner = nodes[0].owner
    helpers: list[BaseOperator] = [
        RunOutcomeOperator(
            task_id=OUTCOME_TASK_ID,
            task_display_name="Did a node fail?",
            owner=owner,
            policies=policies.to_json(),
            task_group=end,
        )
    ]
    if policies.holds_back:
        helpers.append(
            HoldOperator(
                task_id=HOLD_TASK_ID,
                task_display_name="If a node failed: hold back",
                owner=owner,
                policies=policies,
                answers=sorted(answers),
                priority_weight=_FIRST,
                weight_rule="absolute",
                task_group=end,
            )
        )
    dag.add_tasks(helpers)
    node_ids = {node.task_id for node in nodes}
    helper_ids = {helper.task_id for helper in helpers}
    for helper in helpers:
        helper.upstream_task_ids.update(node_ids)
    for node in nodes:
        node.downstream_task_ids.update(helper_ids)


def _answers_to_a_failure(dag: DAG, nodes: list[BaseOperator]) -> set[str]:
    """Return the ids of the conditions that name a state, and of all nodes below one."""
    ahead = [node.task_id for node in nodes if node.trigger_rule == "all_done"]
    answers: set[str] = set()
    while ahead:
        task_id = ahead.pop()
        if task_id not in answers:
            answers.add(task_id)
            ahead.extend(dag.get_task(task_id).downstream_task_ids)
    return answers
