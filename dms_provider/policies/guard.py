"""What a node does before, while and after it works, so that its run behaves as the flow's policies say.

Runs on a worker: everything it knows of other nodes and runs it asks of Airflow's API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    AirflowTaskTimeout,
    DownstreamTasksSkipped,
    TaskDeferred,
)

from dms_provider.policies.rules import BEGUN_XCOM_KEY, FlowPolicies, is_node
from dms_provider.policies.watch import FailureWatch

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dms_provider.operators.base import FlowOperator
    from dms_provider.triggers.earlier_run import EarlierRunTrigger
    from dms_provider.variables.run_conf import RunConf


_OTHER_OUTCOMES: Final = (AirflowSkipException, AirflowRescheduleException, DownstreamTasksSkipped)
"""By which Airflow ends a try otherwise than as failed."""
_NODES_A_QUESTION: Final = 100
"""More do not stand in the address of a question; then all of the run are asked for."""
_NODES_SHOWN: Final = 20

TEST_RUN_USER = "dag_test"
"""``airflow dags test`` and ``dag.test()`` name this user as the one who triggered their run."""


class RunNotStarted(AirflowFailException):
    """The scheduler did not decide about the run, or refused it. The message says why and what to do."""


class NodeGuard:
    """The policies of a flow, for one try of one node.

    :param node: whose try it is
    :param policies: of the flow
    :param context: of the task
    :param conf: of the run
    """

    def __init__(self, node: FlowOperator, policies: FlowPolicies, context: Context, conf: RunConf) -> None:
        dag_run = context["dag_run"]
        self._node = node
        self._policies = policies
        self._ti: Any = context["ti"]
        self._conf = conf
        self._dag_id = dag_run.dag_id
        self._run_id = dag_run.run_id
        self._is_test_run = (
            conf.kind is None and conf.undecided is None and dag_run.triggering_user_name == TEST_RUN_USER
        )

    def check_decision(self) -> None:
        """Check that the run was decided about when it started.

        A test run has no scheduler, and is coupled to no other run.

        :raises RunNotStarted: it was not
        """
        if self._conf.refused is not None:
            raise RunNotStarted(f"this run was refused when it started: {self._conf.refused}")
        if self._conf.kind is not None:
            return
        if not self._is_test_run:
            reason = self._conf.undecided or (
                "the plugin dms is not loaded in the scheduler (see `airflow plugins`), or the run was not"
                " started by a scheduler"
            )
            raise RunNotStarted(
                f"it is not known whether another run of {self._dag_id} was in the way of this one when it"
                f" started, so nothing was executed: {reason}. Rerun it"
            )
        for key in ("node", "from_node"):
            if getattr(self._conf, key) is not None:
                raise RunNotStarted(
                    f"{key}: a test run has no scheduler, which leaves out the other nodes; use"
                    f" `airflow dags trigger {self._dag_id}`"
                )
        self._node.log.warning("A test run: no other run of %s is waited for", self._dag_id)

    def hold_back(self) -> None:
        """End the try before it begins if the policy says so.

        :raises AirflowSkipException: a node has failed, and this one is not the flow's answer to that
        """
        if self._is_held_back_by_a_failure and (failed := self._failed_nodes()):
            raise AirflowSkipException(f"not run: {self._because_of(failed)}")

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
        """Surround the node's work. What it ended with is passed on, unless the policy says otherwise.

        :raises AirflowFailException: it was stopped, or failed when it may not be tried again
        """
        # a test run has one node at a time, and its answers are not for two threads
        is_watched = self._policies.stops and not self._is_test_run
        watch = FailureWatch(self._failed_nodes, self._node.on_kill) if is_watched else None
        ended: BaseException | None = None
        try:
            with watch or nullcontext():
                yield
        except (Exception, AirflowTaskTimeout, TaskDeferred) as error:
            ended = error
        # outside of the except clause, so that a message of ours is not shown beside another error
        stopped_for = watch.stopped_for if watch is not None else ()
        if ended is None:
            if stopped_for:
                self._node.log.warning("It had ended before it could be stopped, and is kept as it is")
            return
        if isinstance(ended, TaskDeferred):
            reason = self._reason_not_to_defer(stopped_for)
        elif isinstance(ended, _OTHER_OUTCOMES):
            reason = None
        elif stopped_for:
            self._node.log.info("%s: %s", type(ended).__name__, ended)
            reason = f"stopped: {self._because_of(stopped_for)}"
        elif isinstance(ended, AirflowFailException):
            reason = None
        else:
            reason = self._reason_not_to_try_again(ended)
        if reason is None:
            raise ended
        raise AirflowFailException(reason) from None

    def _reason_not_to_defer(self, stopped_for: Sequence[str]) -> str | None:
        """Return why work that is to go on in the triggerer must end; without a reason it is marked as begun.

        What holds nodes back sees such a node as going when it looks; nobody would look again.
        """
        failed = stopped_for or (self._failed_nodes_or_none() if self._policies.stops else ())
        if not failed:
            if self._policies.holds_back and not self._policies.stops:
                self._mark_as_begun()
            return None
        if not stopped_for:
            self._node.on_kill()
        return f"stopped: {self._because_of(failed)}"

    def _mark_as_begun(self) -> None:
        try:
            self._ti.xcom_push(key=BEGUN_XCOM_KEY, value=True)
        except Exception:
            self._node.log.warning("Could not note that the work has begun", exc_info=True)

    def _reason_not_to_try_again(self, error: BaseException) -> str | None:
        if not self._is_held_back_by_a_failure or self._ti.try_number > self._ti.max_tries:
            return None
        failed = self._failed_nodes_or_none()
        if not failed:
            return None
        if isinstance(error, AirflowTaskTimeout):
            # as Airflow does when it sees this exception, which it will not
            self._node.on_kill()
        self._node.log.error("%s: %s", type(error).__name__, error)
        return f"{error or type(error).__name__}; not tried again: {self._because_of(failed)}"

    def _because_of(self, failed: Sequence[str]) -> str:
        return f"{', '.join(failed)} failed, and the flow's policy is {self._policies.error_handling}"

    @property
    def _is_held_back_by_a_failure(self) -> bool:
        return self._policies.holds_back_node(answers_failure=self._node.answers_failure)

    def _failed_nodes_or_none(self) -> Sequence[str]:
        """Return the nodes that have failed, or none if nobody answers: the node's own end is told anyway."""
        try:
            return self._failed_nodes()
        except Exception:
            self._node.log.warning("Could not ask whether another node has failed", exc_info=True)
            return ()

    def _failed_nodes(self) -> Sequence[str]:
        if not self._ti.get_ti_count(dag_id=self._dag_id, run_ids=[self._run_id], states=["failed"]):
            return ()
        states = self._ti.get_task_states(dag_id=self._dag_id, run_ids=[self._run_id])
        return sorted(
            task_id
            for task_id, state in states.get(self._run_id, {}).items()
            if str(state) == "failed" and is_node(task_id) and task_id != self._node.task_id
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
            few = {"task_ids": list(nodes)} if len(nodes) <= _NODES_A_QUESTION else {}
            states = self._ti.get_task_states(dag_id=self._dag_id, run_ids=[earlier_run], **few)
            of_run = states.get(earlier_run, {})
            going = [
                f"{node_id} ({of_run[node_id] or 'not begun'})"
                for node_id in sorted(nodes)
                if node_id in of_run and str(of_run[node_id]) not in FINISHED
            ]
            if not going:
                return None
            unfinished = ", ".join(going[:_NODES_SHOWN]) + (
                f" and {len(going) - _NODES_SHOWN} more" if len(going) > _NODES_SHOWN else ""
            )
        # a run that has ended, in whatever way, holds nobody up, nor does one that was deleted
        is_going = self._ti.get_dr_count(
            dag_id=self._dag_id, run_ids=[earlier_run], states=["queued", "running"]
        )
        return unfinished if is_going else None
