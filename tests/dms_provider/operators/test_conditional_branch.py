from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import DownstreamTasksSkipped

from dms_provider.operators.base import SpecText
from dms_provider.operators.conditional_branch import ConditionalBranchOperator, ConditionFailed
from dms_provider.variables.scope import FlowScope
from dms_provider.variables.values import Data
from tests.dms_provider.operators.running import Outcome, run


def decide(
    condition: str, late: str = "10", states: dict[str, str | None] | None = None, **arguments: Any
) -> Outcome:
    """Run a condition between ``a``, ``b`` and ``yes >> join``; ``other`` leads to ``join`` too."""
    with DAG("flow"):
        branch = ConditionalBranchOperator(
            task_id="many", condition=SpecText(condition), inputs={"late": "count"}, **arguments
        )
        a, b, helper = (EmptyOperator(task_id=name) for name in ("a", "b", "dms__start"))
        yes, other = EmptyOperator(task_id="yes"), EmptyOperator(task_id="other")
        join = EmptyOperator(task_id="join", trigger_rule="all_done")
        outcome = EmptyOperator(task_id="dms__outcome", trigger_rule="none_failed")
        [a, b, helper] >> branch >> yes >> join >> outcome
        other >> join
        branch >> outcome
    return run(branch, {"count": {"late": Data((late,))}}, states)


def test_true_lets_everything_run() -> None:
    outcome = decide("${late} > 9")
    assert outcome.result is True
    assert outcome.ti.pushed == {}
    assert outcome.log[-3:] == ["Condition: ${late} > 9", "${late} = '10'", "The condition is true"]


def test_false_skips_every_node_downstream_but_no_helper() -> None:
    with pytest.raises(DownstreamTasksSkipped) as raised:
        decide("${late} < 9")
    assert raised.value.tasks == ["join", "yes"]


@pytest.mark.parametrize(
    ("states", "true"),
    [
        ({"a": "success", "b": "success"}, {"all_success", "one_success", "all_done"}),
        ({"a": "success", "b": "failed"}, {"one_success", "one_failed", "all_done"}),
        ({"a": "failed", "b": "upstream_failed"}, {"all_failed", "one_failed", "all_done"}),
        ({"a": "success", "b": "skipped"}, {"one_success", "all_done"}),
        ({"a": "success", "b": None}, {"one_success"}),
        ({"a": "success", "b": "up_for_retry"}, {"one_success"}),
    ],
)
def test_states_of_the_direct_upstream_nodes(states: dict[str, str | None], true: set[str]) -> None:
    states["dms__start"] = "failed"
    for state in ("all_success", "one_success", "all_failed", "one_failed", "all_done"):
        if state in true:
            assert decide(state, states=dict(states)).result is True
        else:
            with pytest.raises(DownstreamTasksSkipped):
                decide(state, states=dict(states))


@pytest.mark.parametrize(
    ("condition", "rule"),
    [
        ("${late} > 1", "all_success"),
        ("all_success", "all_success"),
        ("'${late}' == 'all_done'", "all_success"),
        ("all_done && ${late} > 1", "all_done"),
        ("!all_success || one_failed", "all_done"),
        ("{{ 'one_failed' }}", "all_done"),
    ],
)
def test_a_condition_on_failures_waits_for_all_its_parents(condition: str, rule: str) -> None:
    assert ConditionalBranchOperator(task_id="many", condition=condition).trigger_rule == rule


def test_a_trigger_rule_that_was_given_stays() -> None:
    branch = ConditionalBranchOperator(task_id="many", condition="all_done", trigger_rule="one_failed")
    assert branch.trigger_rule == "one_failed"


def test_what_cannot_be_compared_fails() -> None:
    with pytest.raises(ConditionFailed, match=r"at character 1 of the condition"):
        decide("${late} > 9", late="many")


def test_a_state_without_upstream_fails() -> None:
    with DAG("flow"):
        branch = ConditionalBranchOperator(task_id="many", condition=SpecText("all_done"))
    with pytest.raises(ConditionFailed, match="no node directly upstream"):
        run(branch)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_KEY_OF_TOKEN", "pw1")
    scope = FlowScope(secrets={"token": "key_of_token"})
    outcome = decide("'${token}' == 'pw1'", scope=scope)
    assert outcome.result is True
    assert "${token} = ***" in outcome.log
    with pytest.raises(ConditionFailed) as raised:
        decide("${token} > 9", scope=scope)
    assert "pw1" not in str(raised.value)
