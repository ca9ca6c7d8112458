"""The node type ``conditional_branch``: a gate for everything downstream.

Source: flow-spec, *conditional_branch*; DMS reference, sections 1.5 and 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import SkipMixin
from airflow.sdk.bases.skipmixin import XCOM_SKIPMIXIN_KEY, XCOM_SKIPMIXIN_SKIPPED
from airflow.sdk.exceptions import AirflowSkipException

from dms_provider.operators.base import FlowOperator
from dms_provider.policies.rules import is_node
from dms_provider.variables.scope import FlowScope

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dms_provider.conditions import Condition
    from dms_provider.variables.values import Value

_ANSWERS_A_FAILURE = re.compile(r"\b(?:one_success|all_failed|one_failed|all_done)\b")
_SUCCEEDED = frozenset({"success"})
_FAILED = frozenset({"failed", "upstream_failed"})
_FINISHED = _SUCCEEDED | _FAILED | {"skipped", "removed"}


class ConditionFailed(RuntimeError):
    """The condition could not be decided. The message says why."""


class ConditionalBranchOperator(FlowOperator, SkipMixin):
    """Let the nodes downstream run if a condition is true; otherwise none of them runs.

    A condition that is false succeeds itself. All nodes downstream, near and far, are skipped, whatever else
    they depend on; tasks whose ids begin with ``dms__`` are not nodes and stay. A condition that names
    another state than ``all_success`` starts once all its direct parents have finished, unless a
    ``trigger_rule`` is given.

    :param condition: in the condition language of the flow spec
    :param scope: what every node of the flow can name
    :param variables: node variables: pattern of each name
    :param inputs: outputs of upstream nodes: the task id that gives each name
    """

    ui_color = "#fbeed0"
    template_fields: Sequence[str] = ("condition",)
    reference_fields: ClassVar[tuple[str, ...]] = ("condition",)

    def __init__(
        self,
        *,
        condition: str,
        scope: FlowScope | None = None,
        variables: Mapping[str, str] | None = None,
        inputs: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        if "trigger_rule" not in kwargs and _answers_a_failure(condition):
            kwargs["trigger_rule"] = "all_done"
        super().__init__(scope=scope, variables=variables, inputs=inputs, **kwargs)
        self.condition = self.plain(condition)

    def do_work(self, context: Context) -> bool:
        """Decide, and skip what is downstream if the condition is false.

        :return: whether the condition is true
        :raises ConditionFailed: it cannot be read, or its values cannot be compared
        :raises AirflowSkipException: a condition further up is false
        """
        from dms_provider.conditions import ConditionError, parse_condition
        from dms_provider.sessions.redaction import Redactor
        from dms_provider.variables.values import AuthorText

        if self.trigger_rule == "all_done":
            self._follow_conditions_above(context)
        written = self.as_written("condition")
        redactor = Redactor()
        reason: str | None = None
        try:
            condition = parse_condition(written)
            values = self.resolve(condition.names, context)
            redactor.add(
                value.text for value in values.values() if isinstance(value, AuthorText) and value.secret
            )
            states = self._states(condition, context)
            self._log_values(written, values, states)
            result = condition.evaluate(values, states)
        except ConditionError as error:
            reason = f"at character {error.offset + 1} of the condition: {error}"
        if reason is not None:
            raise ConditionFailed(redactor.redact(reason))
        if result:
            self.log.info("The condition is true")
            return True
        downstream: set[str] = context["task"].get_flat_relative_ids(upstream=False)
        # The order of a set differs from process to process.
        skipped = sorted(filter(is_node, downstream))
        self.log.info("The condition is false: %d nodes downstream are not run", len(skipped))
        self.skip(context["ti"], [self.dag.get_task(task_id) for task_id in skipped])
        return False

    def describe(self, context: Context) -> None:
        """Log the condition with what is known in it; a dry run goes on as if it were true.

        :raises ConditionFailed: it cannot be read, or values that are known cannot be compared
        """
        from dms_provider.conditions import ConditionError, parse_condition
        from dms_provider.conditions.known import fill_condition, known_result

        reason: str | None = None
        try:
            condition = parse_condition(self.as_written("condition"))
            known = self.known(condition.names, context)
            self.log.info("Condition, which counts as true: %s", fill_condition(condition, known))
            if condition.states:
                self._parents()
            if known_result(condition, known) is False:
                self.log.info("After success upstream it would be false")
        except ConditionError as error:
            reason = f"at character {error.offset + 1} of the condition: {error}"
        if reason is not None:
            raise ConditionFailed(reason)

    def _follow_conditions_above(self, context: Context) -> None:
        """Wait until each condition further up is decided, and do not run if one is false.

        When the parents have finished without running, a condition above them may still be deciding.
        """
        above = sorted(
            task_id
            for task_id in self.get_flat_relative_ids(upstream=True)
            if isinstance(self.dag.get_task(task_id), ConditionalBranchOperator)
        )
        if not above:
            return
        ti, run_id = context["ti"], context["dag_run"].run_id
        states = ti.get_task_states(dag_id=self.dag_id, run_ids=[run_id], task_ids=above).get(run_id, {})
        undecided = sorted(task_id for task_id, state in states.items() if str(state) not in _FINISHED)
        if undecided:
            from dms_provider.triggers.earlier_run import EarlierRunTrigger

            self.log.info("Waiting for the conditions above: %s", ", ".join(undecided))
            # what it waits for is in its own run
            trigger = EarlierRunTrigger(
                dag_id=self.dag_id,
                run_id=run_id,
                earlier_run=run_id,
                nodes=undecided,
                gives_up_on_failure=False,
            )
            self.defer(trigger=trigger, method_name="begin")
        for task_id in above:
            skipped = ti.xcom_pull(task_ids=task_id, key=XCOM_SKIPMIXIN_KEY) or {}
            if self.task_id in skipped.get(XCOM_SKIPMIXIN_SKIPPED, ()):
                raise AirflowSkipException(f"not run: the condition {task_id} is false")

    def _parents(self) -> list[str]:
        """Return the nodes directly upstream, of which a condition with a state needs one.

        :raises ConditionFailed: there is none
        """
        parents = sorted(filter(is_node, self.upstream_task_ids))
        if not parents:
            raise ConditionFailed("the condition names a state, and there is no node directly upstream")
        return parents

    def _states(self, condition: Condition, context: Context) -> dict[str, bool]:
        """Return whether each state is the case among the direct upstream nodes."""
        if not condition.states:
            return {}
        upstream = self._parents()
        run_id = context["dag_run"].run_id
        found = context["ti"].get_task_states(dag_id=self.dag_id, run_ids=[run_id], task_ids=upstream)
        states = [None if state is None else str(state) for state in found.get(run_id, {}).values()]
        self.log.info("States upstream: %s", found.get(run_id, {}))
        return {
            "all_success": all(state in _SUCCEEDED for state in states),
            "one_success": any(state in _SUCCEEDED for state in states),
            "all_failed": all(state in _FAILED for state in states),
            "one_failed": any(state in _FAILED for state in states),
            "all_done": all(state in _FINISHED for state in states),
        }

    def _log_values(self, written: str, values: Mapping[str, Value], states: Mapping[str, bool]) -> None:
        from dms_provider.operators.cells import shortened
        from dms_provider.variables.values import AuthorText

        self.log.info("Condition: %s", written)
        for name in sorted(values):
            value = values[name]
            secret = isinstance(value, AuthorText) and value.secret
            self.log.info("${%s} = %s", name, "***" if secret else shortened(value.text))


def _answers_a_failure(condition: str) -> bool:
    """Return whether a condition names a state that can be the case when a parent did not succeed."""
    if not _ANSWERS_A_FAILURE.search(condition):
        return False
    from dms_provider.conditions import ConditionError, parse_condition

    try:
        return bool(parse_condition(condition).states - {"all_success"})
    except ConditionError:
        # Jinja of a plain Python DAG, or a mistake that the node will report when it runs.
        return True
