"""What a node does before, while and after it works, so that its run behaves as the flow's policies say.

Runs on a worker: everything it knows of other nodes and runs it asks of Airflow's API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dms_provider.policies.rules import FlowPolicies, is_node
from dms_provider.policies.watch import FailureWatch

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dms_provider.operators.base import FlowOperator
    from dms_provider.triggers.earlier_run import EarlierRunTrigger
    from dms_provider.variables.run_conf import RunConf


class RunNotStarted(RuntimeError):
    """The scheduler did not decide about the run, or refused it. The message says why and what to do."""


class NodeGuard:
    """The policies of a flow, for one try of one node.

    :param node: whose try it is
    :param policies: of the flow
    :param context: of the task
    :param conf: of the run
    """

    def __init__(self, node: FlowOperator, policies: FlowPolicies, context: Context, conf: RunConf) -> None:
        self._node = node
        self._policies = policies
        self._ti: Any = context["ti"]
        self._conf = conf
        self._dag_id: str = context["dag_run"].dag_id
        self._run_id: str = context["dag_run"].run_id

    def check_decision(self) -> None:
        """Check that the run was decided about when it started.

        :raises RunNotStarted: it was not
        """
        if self._conf.refused is not None:
            raise RunNotStarted(f"this run was refused when it started: {self._conf.refused}")
        if self._conf.kind is None:
            reason = self._conf.undecided or (
                "the plugin dms is not loaded in the scheduler (see `airflow plugins`), or the run was not"
                " started by a scheduler"
            )
            raise RunNotStarted(
                f"it is not known whether another run of {self._dag_id} was in the way of this one when it"
                f" started, so nothing was executed: {reason}. Rerun it"
            )

    def hold_back(self) -> None:
        """End the try before it begins if the policy says so.

        :raises AirflowSkipException: a node has failed, and this one is not the flow's answer to that
        """
        if not self._is_held_back_by_a_failure:
            return
        if failed := self._failed_nodes():
            from airflow.providers.common.compat.sdk import AirflowSkipException

            raise AirflowSkipException(
                f"not run: {', '.join(failed)} failed, and the flow's policy is"
                f" {self._policies.error_handling}"
            )

    def wait(self) -> EarlierRunTrigger | None:
        """Return what waits for the earlier run, if it is in this node's way."""
        earlier_run = self._conf.earlier_run
        if earlier_run is None:
            return None
        nodes = self._nodes_waited_for()
        unfinished = self._unfinished(earlier_run, nodes)
        if unfinished is None:
            return None
        from dms_provider.triggers.earlier_run import EarlierRunTrigger

        self._node.log.info("Waiting for run %s: %s", earlier_run, unfinished)
        return EarlierRunTrigger(
            dag_id=self._dag_id,
            run_id=self._run_id,
            earlier_run=earlier_run,
            nodes=nodes,
            gives_up_on_failure=self._is_held_back_by_a_failure,
        )

    @contextmanager
    def work(self) -> Iterator[None]:
        """Surround the node's work.

        :raises AirflowFailException: it was stopped, or failed when it may not be tried again
        """
        from airflow.providers.common.compat.sdk import AirflowFailException, AirflowTaskTimeout

        watch = FailureWatch(self._failed_nodes, self._node.on_kill) if self._policies.stops else None
        reason: str | None = None
        try:
            if watch is None:
                yield
            else:
                with watch:
                    yield
        except (Exception, AirflowTaskTimeout) as error:
            if _is_an_outcome(error):
                raise
            if watch is not None and watch.stopped_for:
                reason = (
                    f"stopped: {', '.join(watch.stopped_for)} failed, and the flow's policy is"
                    f" {self._policies.error_handling}"
                )
            elif (failed := self._failed_nodes_if_tried_again()) is None:
                raise
            else:
                self._node.log.error("%s: %s", type(error).__name__, error)
                reason = (
                    f"{error or type(error).__name__}; not tried again: {', '.join(failed)} failed, and the"
                    f" flow's policy is {self._policies.error_handling}"
                )
        if reason is not None:
            raise AirflowFailException(reason)

    @property
    def _is_held_back_by_a_failure(self) -> bool:
        return self._policies.holds_back_node(answers_failure=self._node.answers_failure)

    def _failed_nodes_if_tried_again(self) -> Sequence[str] | None:
        if not self._is_held_back_by_a_failure or self._ti.try_number > self._ti.max_tries:
            return None
        return self._failed_nodes() or None

    def _failed_nodes(self) -> Sequence[str]:
        if not self._ti.get_ti_count(dag_id=self._dag_id, run_ids=[self._run_id], states=["failed"]):
            return ()
        states = self._ti.get_task_states(dag_id=self._dag_id, run_ids=[self._run_id])
        return sorted(
            task_id
            for task_id, state in states.get(self._run_id, {}).items()
            if is_node(task_id) and str(state) == "failed"
        )

    def _nodes_waited_for(self) -> list[str] | None:
        """Return the nodes of the earlier run that this one waits for; ``None`` for the whole run."""
        node_id = self._node.task_id
        if self._conf.waits == "whole_run":
            return None
        if self._conf.waits == "same_node":
            return [node_id]
        children: Mapping[str, Sequence[str]] = self._conf.earlier_graph or {
            task.task_id: sorted(filter(is_node, task.downstream_task_ids)) for task in self._node.dag.tasks
        }
        if self._policies.mode_2_scope == "direct":
            return [node_id, *children.get(node_id, ())]
        reached: dict[str, None] = {}
        ahead = [node_id]
        while ahead:
            current = ahead.pop()
            if current not in reached:
                reached[current] = None
                ahead.extend(children.get(current, ()))
        return list(reached)

    def _unfinished(self, earlier_run: str, nodes: Sequence[str] | None) -> str | None:
        """Return what of the earlier run has not finished, for people; ``None`` if nothing."""
        from dms_provider.triggers.run_states import FINISHED

        unfinished = "it has not ended"
        if nodes is not None:
            states = self._ti.get_task_states(
                dag_id=self._dag_id, run_ids=[earlier_run], task_ids=list(nodes)
            ).get(earlier_run, {})
            going = [f"{node_id} ({state or 'not begun'})" for node_id, state in sorted(states.items())
                     if str(state) not in FINISHED]  # fmt: skip
            if not going:
                return None
            unfinished = ", ".join(going)
        # a run that has ended, in whatever way, holds nobody up, nor does one that was deleted
        is_going = self._ti.get_dr_count(
            dag_id=self._dag_id, run_ids=[earlier_run], states=["queued", "running"]
        )
        return unfinished if is_going else None


def _is_an_outcome(error: BaseException) -> bool:
    """Return whether an exception is Airflow's way of ending a try otherwise than as failed."""
    from airflow.providers.common.compat.sdk import (
        AirflowFailException,
        AirflowSkipException,
        DownstreamTasksSkipped,
    )

    return isinstance(error, (AirflowFailException, AirflowSkipException, DownstreamTasksSkipped))
