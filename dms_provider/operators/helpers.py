"""The tasks of a flow that are no nodes: they make its runs end as its error handling policy says.

Airflow takes the state of a run from its last tasks, which are skipped in many ways; so the last task of a
flow is always one of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import BaseOperator, Context, SkipMixin

from dms_provider.policies.rules import FlowPolicies, is_node

_NOT_BEGUN = frozenset({None, "scheduled", "queued", "up_for_retry", "up_for_reschedule"})


class RunFailed(RuntimeError):
    """A node of the run failed. The message says which."""


class HoldOperator(BaseOperator, SkipMixin):
    """Hold back what has not begun, once a node has failed.

    It starts only then: its trigger rule is ``one_failed``, and every node is upstream of it.

    :param policies: of the flow
    :param answers: ids of the nodes that are the flow's answer to a failure
    """

    ui_color = "#f6dcdc"

    def __init__(self, *, policies: FlowPolicies, answers: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(trigger_rule="one_failed", retries=0, **kwargs)
        self.policies = policies
        self.answers = frozenset(answers)

    def execute(self, context: Context) -> None:
        """Skip each node that has not begun; under immediate stop also what works in the triggerer."""
        run_id = context["dag_run"].run_id
        found = context["ti"].get_task_states(dag_id=self.dag_id, run_ids=[run_id]).get(run_id, {})
        states = {task_id: state and str(state) for task_id, state in found.items() if is_node(task_id)}
        failed = sorted(task_id for task_id, state in states.items() if state == "failed")
        ended = _NOT_BEGUN | {"deferred"} if self.policies.stops else _NOT_BEGUN
        held = sorted(
            task_id
            for task_id, state in states.items()
            if state in ended
            and self.policies.holds_back_node(answers_failure=task_id in self.answers)
            and self.dag.has_task(task_id)
        )
        self.log.info("Failed: %s", ", ".join(failed) or "none any more")
        self.log.info("Held back by %s: %s", self.policies.error_handling, ", ".join(held) or "nothing")
        if failed:
            self.skip(context["ti"], [self.dag.get_task(task_id) for task_id in held])


class FailRunOperator(BaseOperator):
    """Fail, and so make the run a failed one; it stands below the :class:`HoldOperator`.

    :param policies: of the flow; the scheduler reads them here
    """

    ui_color = "#f6dcdc"
    template_fields: Sequence[str] = ("policies",)

    def __init__(self, *, policies: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(trigger_rule="one_success", retries=0, **kwargs)
        self.policies = policies

    def execute(self, context: Context) -> None:
        """Fail.

        :raises RunFailed: always
        """
        run_id = context["dag_run"].run_id
        states = context["ti"].get_task_states(dag_id=self.dag_id, run_ids=[run_id]).get(run_id, {})
        failed = sorted(
            task_id for task_id, state in states.items() if is_node(task_id) and str(state) == "failed"
        )
        raise RunFailed(
            f"failed: {', '.join(failed)}; see their logs"
            if failed
            else "a node had failed; clear this task and dms__hold to have the run decided again"
        )


class RunOutcomeOperator(EmptyOperator):
    """Stand below every node, and fail with any of them, without a worker.

    :param policies: of the flow; the scheduler reads them here
    """

    ui_color = "#f6dcdc"
    template_fields: Sequence[str] = ("policies",)

    def __init__(self, *, policies: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(trigger_rule="none_failed", retries=0, **kwargs)
        self.policies = policies
