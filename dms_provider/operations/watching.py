"""What a run does, until it has ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from dms_provider.operations.runs import ENDED, decided, state_of
from dms_provider.policies.rules import is_node

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 300.0
"""So long a database that does not answer is asked again."""

_FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunProgress:
    """How far a run is.

    :param state: as :func:`dms_provider.operations.runs.state_of` says it; ``deleted`` if it is gone
    :param nodes: node -> its state, ``None`` for one that nothing was decided about yet
    :param paused: Airflow was told to start no runs and no nodes of the flow
    :param reason: why a run was skipped or refused, or for which one it waits
    """

    state: str
    nodes: Mapping[str, str | None] = field(default_factory=dict)
    paused: bool = False
    reason: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED or self.state == "deleted"

    def __str__(self) -> str:
        finished = sum(state in _FINISHED for state in self.nodes.values())
        text = f"{self.state}, {finished} of {len(self.nodes)} nodes finished"
        for state in ("running", "deferred", "up_for_retry", "failed"):
            if found := [node for node, of_node in self.nodes.items() if of_node == state]:
                text += f"; {state}: {', '.join(found)}"
        if self.reason is not None:
            text += f"; {self.reason}"
        return f"{text}; the flow is paused" if self.paused and not self.ended else text


def watch_run(flow_id: str, run_id: str) -> Iterator[RunProgress]:
    """Yield how far a run is whenever that has changed, until it has ended.

    :raises OperationalError: the database has not answered for :data:`PATIENCE_SECONDS`
    """
    before = None
    answered = time.monotonic()
    while True:
        try:
            progress = read_progress(flow_id, run_id)
        except OperationalError:
            if time.monotonic() - answered > PATIENCE_SECONDS:
                raise
            log.warning("The metadata database does not answer; asking again")
        else:
            answered = time.monotonic()
            if str(progress) != str(before):
                yield progress
            if progress.ended:
                return
            before = progress
        time.sleep(POLL_SECONDS)


def read_progress(flow_id: str, run_id: str) -> RunProgress:
    """Return how far a run is now."""
    with create_session() as session:
        run = session.scalar(select(DagRun).where(DagRun.dag_id == flow_id, DagRun.run_id == run_id))
        if run is None:
            return RunProgress("deleted")
        stored = session.execute(
            select(TaskInstance.task_id, TaskInstance.state)
            .where(TaskInstance.dag_id == flow_id, TaskInstance.run_id == run_id)
            .order_by(TaskInstance.task_id)
        )
        nodes = {task_id: state and str(state) for task_id, state in stored if is_node(task_id)}
        paused = session.scalar(select(DagModel.is_paused).where(DagModel.dag_id == flow_id))
        return RunProgress(state_of(run), nodes, bool(paused), _reason(run))


def _reason(run: DagRun) -> str | None:
    said = decided(run)
    if (other := said.get("skipped_for")) is not None:
        return f"run {other} was in the way"
    if (refused := said.get("refused")) is not None:
        return str(refused)
    if (earlier := said.get("earlier_run")) is not None:
        return f"coupled to run {earlier}"
    return None
