"""Runs nodes with Airflow's own task runner; a few fields say what a supervisor would answer to them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

import structlog
import structlog.testing
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.api.datamodels._generated import DagRun, TaskInstance, TIRunContext
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time import comms
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.sdk.execution_time.task_runner import run as run_task
from airflow.sdk.serde import serialize

from dms_provider.operators.base import FlowOperator
from tests.dms_provider.operators.running import Log

NOW = datetime(2023, 8, 4, 3, 0, tzinfo=timezone.utc)
THIS_RUN = "this_run"
EARLIER_RUN = "earlier_run"
DECIDED = {"kind": "scheduled"}
QUESTIONS = (comms.GetTICount, comms.GetTaskStates, comms.GetDRCount)
"""Questions that only nodes under policies ask."""


@dataclass
class Supervisor:
    """What Airflow's API knows, as far as nodes ask it.

    :param states: run id -> task id -> state
    :param going: ids of runs that have not ended
    :param xcoms: task id and key -> value
    :param silent_for: how many of the next questions get an error instead of an answer
    """

    states: dict[str, dict[str, str | None]] = field(default_factory=dict)
    going: set[str] = field(default_factory=set)
    xcoms: dict[tuple[str, str], Any] = field(default_factory=dict)
    silent_for: int = 0
    asked: list[Any] = field(default_factory=list)
    said: list[Any] = field(default_factory=list)

    def send(self, msg: Any) -> Any:
        if not isinstance(msg, (*QUESTIONS, comms.GetXComSequenceSlice)):
            self.said.append(msg)
            return None
        self.asked.append(msg)
        if self.silent_for:
            self.silent_for -= 1
            raise AirflowRuntimeError(comms.ErrorResponse(error=ErrorType.API_SERVER_ERROR))
        if isinstance(msg, comms.GetTICount):
            wanted = [str(state) for state in msg.states or ()]
            states = [state for run in msg.run_ids or () for state in self.states.get(run, {}).values()]
            return comms.TICount(count=sum(state in wanted for state in states))
        if isinstance(msg, comms.GetTaskStates):
            found = {
                run: {
                    task_id: state
                    for task_id, state in self.states[run].items()
                    if msg.task_ids is None or task_id in msg.task_ids
                }
                for run in msg.run_ids or ()
                if run in self.states
            }
            return comms.TaskStatesResult(task_states=found)
        if isinstance(msg, comms.GetDRCount):
            assert msg.states == ["queued", "running"]
            return comms.DRCount(count=len(self.going & set(msg.run_ids or ())))
        stored = (msg.task_id, msg.key)
        return comms.XComSequenceSliceResult(root=[self.xcoms[stored]] if stored in self.xcoms else [])

    @property
    def skipped(self) -> list[str]:
        """Ids of the nodes that were skipped by name."""
        return [
            str(task) for msg in self.said if isinstance(msg, comms.SkipDownstreamTasks) for task in msg.tasks
        ]

    @property
    def questions(self) -> list[str]:
        return [type(msg).__name__ for msg in self.asked if isinstance(msg, QUESTIONS)]


class Node(FlowOperator):
    """A node that does what its test says."""

    def __init__(self, *, does: Callable[[Node], Any] = lambda node: "done", **arguments: Any) -> None:
        super().__init__(**arguments)
        self.does = does
        self.kills: list[str] = []

    def do_work(self, context: Any) -> Any:
        return self.does(self)

    def after_trigger(self, context: Any, **event: Any) -> Any:
        return self.does(self)

    def on_kill(self) -> None:
        self.kills.append(self.task_id)


@dataclass
class Ended:
    """How a try ended, as its task tells its supervisor.

    :param state: that it is in now
    :param message: to the supervisor
    :param error: that it failed with
    :param log: of the node
    :param told: by the task runner
    """

    state: str
    message: Any
    error: BaseException | None
    log: list[str]
    told: list[Any]


def run_node(
    node: BaseOperator,
    supervisor: Supervisor,
    conf: dict[str, Any] | None = None,
    *,
    try_number: int = 1,
    retries: int = 0,
    next_method: str | None = None,
    next_kwargs: dict[str, Any] | None = None,
    user: str | None = None,
    run_after: datetime = NOW,
) -> Ended:
    """Run one try of a node to its end.

    :param conf: of the run, what is under the key ``dms``
    :param retries: how many the node has
    :param next_method: the try goes on with this method after a trigger
    :param user: who triggered the run
    """
    log = Log()
    node._cached_logger = log  # type: ignore[assignment]  # where Airflow keeps the logger of an object
    context_of_run = TIRunContext(
        dag_run=DagRun(
            dag_id=node.dag_id,
            run_id=THIS_RUN,
            logical_date=run_after,
            data_interval_start=None,
            data_interval_end=None,
            run_after=run_after,
            start_date=NOW,
            end_date=None,
            run_type="manual",
            state="running",
            conf={"dms": DECIDED if conf is None else conf},
            triggering_user_name=user,
            consumed_asset_events=[],
            partition_key=None,
        ),
        max_tries=retries,
        should_retry=try_number <= retries,
        next_method=next_method,
        next_kwargs=serialize(next_kwargs or {}),
    )
    one_try = TaskInstance(
        id=uuid4(),
        task_id=node.task_id,
        dag_id=node.dag_id,
        run_id=THIS_RUN,
        try_number=try_number,
        dag_version_id=uuid4(),
    )
    ti = RuntimeTaskInstance.model_construct(
        **one_try.model_dump(exclude_unset=True),
        task=node,
        _ti_context_from_server=context_of_run,
        max_tries=retries,
        start_date=NOW,
    )
    told = structlog.testing.LogCapture()
    runner_log = structlog.wrap_logger(None, [told], wrapper_class=structlog.stdlib.BoundLogger)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        state, message, error = run_task(ti, ti.get_template_context(), runner_log)
    finally:
        signal.signal(signal.SIGTERM, on_sigterm)
        for name in [name for name in os.environ if name.startswith("AIRFLOW_CTX_")]:
            del os.environ[name]
    return Ended(state.value, message, error, log.lines, told.entries)


def flow(policies: Any, *edges: tuple[str, str], **does: Callable[[Node], Any]) -> dict[str, Node]:
    """Return the nodes of a flow under policies.

    :param edges: pairs of node ids
    :param does: what each node does
    """
    from dms_provider.policies.dag import apply_policies

    with DAG("flow") as dag:
        nodes = {name: Node(task_id=name, does=work) for name, work in does.items()}
        for above, below in edges:
            nodes[above] >> nodes[below]
    apply_policies(dag, policies)
    return {task.task_id: task for task in dag.tasks}  # type: ignore[misc]  # helpers too
