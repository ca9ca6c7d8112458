"""The tasks of a flow that are no nodes: they make its runs end as its error handling policy says.

Airflow takes the state of a run from its last tasks, which are skipped in many ways; so the last task of a
flow is always one of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import BaseOperator, Context, SkipMixin

from dms_provider.policies.rules import BEGUN_XCOM_KEY, FlowPolicies, is_node
from dms_provider.variables.run_conf import read_run_conf

_BETWEEN_TRIES = frozenset({None, "up_for_retry"})
_NOT_ON_A_WORKER = frozenset({"scheduled", "queued", "deferred", "up_for_reschedule"})
"""States of nodes that have not begun, and of those that go on in the triggerer, or come back from it."""


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
        """Skip each node that has not begun; under immediate stop also what works in the triggerer.

        In a dry run nothing is held back, so that it tells all that would fail.
        """
        run_id = context["dag_run"].run_id
        found = context["ti"].get_task_states(dag_id=self.dag_id, run_ids=[run_id]).get(run_id, {})
        states = {task_id: state and str(state) for task_id, state in found.items() if is_node(task_id)}
        failed = sorted(task_id for task_id, state in states.items() if state == "failed")
        self.log.info("Failed: %s", ", ".join(failed) or "none any more")
        if not failed or read_run_conf(context["dag_run"].conf).dry_run:
            return
        held = sorted(
            task_id
            for task_id, state in states.items()
            if self.dag.has_task(task_id)
            and self.policies.holds_back_node(answers_failure=task_id in self.answers)
            and self._is_held(task_id, state, context)
        )
        self.log.info("Held back by %s: %s", self.policies.error_handling, ", ".join(held) or "nothing")
        self.skip(context["ti"], [self.dag.get_task(task_id) for task_id in held])

    def _is_held(self, task_id: str, state: str | None, context: Context) -> bool:
        if state in _BETWEEN_TRIES:
            return True
        if state not in _NOT_ON_A_WORKER:
            return False
        return self.policies.stops or not context["ti"].xcom_pull(task_ids=task_id, key=BEGUN_XCOM_KEY)


class RunOutcomeOperator(EmptyOperator):
    """Stand below every node, and end as ``upstream_failed`` with any of them, without a worker.

    Airflow takes the state of a run from such last tasks.

    :param policies: of the flow; the scheduler reads them here
    """

    ui_color = "#f6dcdc"
    template_fields: Sequence[str] = ("policies",)

    def __init__(self, *, policies: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(trigger_rule="none_failed", retries=0, **kwargs)
        self.policies = policies
