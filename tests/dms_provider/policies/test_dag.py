"""Policies on a DAG: trigger rules, helper tasks, and what of both Airflow's scheduler sees."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from dms_provider.operators.conditional_branch import ConditionalBranchOperator
from dms_provider.policies.dag import apply_policies
from dms_provider.policies.rules import FlowPolicies, is_node
from tests.dms_provider.policies.supervisor import Node

HOLDING = ("complete_running_tasks", "immediately_stop_all_tasks")
POLICIES = (*HOLDING, "complete_unrelated_tasks")


def dag_under(error_handling: Any, **policies: Any) -> DAG:
    """Return ``a >> if_failed >> mend >> tell``, ``a >> if_true >> b``, and a plain task."""
    with DAG("flow") as dag:
        a, b, mend, tell = (Node(task_id=name, owner="alice") for name in ("a", "b", "mend", "tell"))
        if_failed = ConditionalBranchOperator(task_id="if_failed", condition="one_failed")
        if_true = ConditionalBranchOperator(task_id="if_true", condition="all_success && 1 < 2")
        plain = EmptyOperator(task_id="plain", trigger_rule="one_success")
        a >> if_failed >> mend >> tell
        a >> if_true >> b
        b >> plain
    apply_policies(dag, FlowPolicies(error_handling, **policies))
    return dag


@pytest.mark.parametrize("policy", POLICIES)
def test_trigger_rules(policy: str) -> None:
    dag = dag_under(policy)
    rules = {task.task_id: str(task.trigger_rule.value) for task in dag.tasks if is_node(task.task_id)}
    assert rules == {
        "a": "none_failed",
        "b": "none_failed",
        "mend": "none_failed",
        "tell": "none_failed",
        "if_failed": "all_done",
        "if_true": "none_failed",
        "plain": "one_success",
    }


@pytest.mark.parametrize("policy", POLICIES)
def test_what_answers_a_failure(policy: str) -> None:
    dag = dag_under(policy)
    answers = {task.task_id for task in dag.tasks if getattr(task, "answers_failure", False)}
    assert answers == {"if_failed", "mend", "tell"}


@pytest.mark.parametrize("policy", HOLDING)
def test_helpers_that_hold_back(policy: str) -> None:
    dag = dag_under(policy)
    hold, outcome = dag.get_task("dms__hold"), dag.get_task("dms__outcome")
    nodes = {task_id for task_id in dag.task_ids if is_node(task_id)}
    for helper in (hold, outcome):
        assert (helper.upstream_task_ids, helper.downstream_task_ids) == (nodes, set())
        assert all(helper.task_id in dag.get_task(node).downstream_task_ids for node in nodes)
    assert (hold.trigger_rule, outcome.trigger_rule) == ("one_failed", "none_failed")
    assert hold.answers == {"if_failed", "mend", "tell"}
    assert hold.policies.error_handling == policy
    for helper in (hold, outcome):
        assert (helper.retries, helper.owner, helper.pool) == (0, "alice", "default_pool")
    assert hold.weight_rule == "absolute"
    assert hold.priority_weight > 1000 * dag.get_task("a").priority_weight


def test_the_helper_of_unrelated_nodes() -> None:
    dag = dag_under("complete_unrelated_tasks")
    outcome = dag.get_task("dms__outcome")
    nodes = {task_id for task_id in dag.task_ids if is_node(task_id)}
    assert outcome.upstream_task_ids == nodes == set(dag.task_ids) - {"dms__outcome"}
    assert all("dms__outcome" in dag.get_task(node).downstream_task_ids for node in nodes)
    assert (outcome.trigger_rule, outcome.retries) == ("none_failed", 0)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_scheduler_can_read_the_policies(policy: str) -> None:
    pools = {"nights": 3, "days": 1}
    given = {"concurrency": "parallel_mode_2", "mode_2_scope": "direct", "timezone": "UTC", "pools": pools}
    stored = DagSerialization.to_dict(dag_under(policy, **given))
    outcome: Any = DagSerialization.from_dict(stored).get_task("dms__outcome")
    assert FlowPolicies.from_json(outcome.policies) == FlowPolicies(policy, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", POLICIES)
def test_the_outcome_needs_no_worker(policy: str) -> None:
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag_under(policy)))
    outcome: Any = stored.get_task("dms__outcome")
    # what Airflow's scheduler looks at before it ends an empty task by itself
    assert outcome.inherits_from_empty_operator
    callbacks = outcome.has_on_execute_callback or outcome.has_on_success_callback
    assert [callbacks, list(outcome.inlets), list(outcome.outlets)] == [False, [], []]


def test_one_node() -> None:
    with DAG("flow") as dag:
        Node(task_id="a")
    apply_policies(dag, FlowPolicies())
    assert dag.get_task("dms__hold").upstream_task_ids == {"a"}
    assert next(iter(dag.topological_sort())).task_id == "a"


@pytest.mark.parametrize("policy", POLICIES)
def test_the_graph_shows_one_box_with_one_edge_from_each_node(policy: str) -> None:
    from airflow.api_fastapi.core_api.services.ui.task_group import task_group_to_dict
    from airflow.utils.dag_edges import dag_edges

    dag: Any = DagSerialization.from_dict(DagSerialization.to_dict(dag_under(policy)))
    boxes = task_group_to_dict(dag.task_group)["children"]
    (end,) = [box for box in boxes if box["id"] == "dms__end"]
    inside = {child["id"] for child in end["children"]}
    assert inside == set(filter(lambda task_id: not is_node(task_id), dag.task_dict))
    drawn = {(edge["source_id"], "dms__end") for edge in dag_edges(dag) if edge["target_id"] in inside}
    assert drawn == {(task_id, "dms__end") for task_id in dag.task_dict if is_node(task_id)}
