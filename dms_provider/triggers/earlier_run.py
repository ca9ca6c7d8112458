"""A node waits for an earlier run of its flow, without a worker.

Source: flow-spec, *concurrency*; DMS reference, section 4.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from dms_provider.policies.rules import is_node
from dms_provider.triggers.deferral import settling_seconds
from dms_provider.triggers.run_states import FINISHED, RunStates


class EarlierRunTrigger(BaseTrigger):
    """Wait until nodes of an earlier run have finished, or the run has ended or was deleted.

    :param dag_id: of the flow
    :param run_id: the run whose node waits
    :param earlier_run: the run that it waits for
    :param nodes: of the earlier run; ``None`` for the whole run
    :param gives_up_on_failure: also wait no longer once a node of the waiting run has failed
    :param poll_interval: seconds between two questions
    """

    def __init__(
        self,
        *,
        dag_id: str,
        run_id: str,
        earlier_run: str,
        nodes: Sequence[str] | None,
        gives_up_on_failure: bool,
        poll_interval: float = 3.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's
        self.dag_id = dag_id
        self.run_id = run_id
        self.earlier_run = earlier_run
        self.nodes = nodes
        self.gives_up_on_failure = gives_up_on_failure
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "dag_id": self.dag_id,
                "run_id": self.run_id,
                "earlier_run": self.earlier_run,
                "nodes": self.nodes,
                "gives_up_on_failure": self.gives_up_on_failure,
                "poll_interval": self.poll_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event once there is nothing to wait for; the node looks for itself then."""
        states = RunStates.of(self.dag_id, self.poll_interval)
        runs = (self.earlier_run, self.run_id)
        states.watch(*runs)
        try:
            await asyncio.sleep(settling_seconds())
            while True:
                try:
                    await states.ask()
                except Exception:
                    self.log.warning(
                        "Could not ask about run %s; asking again", self.earlier_run, exc_info=True
                    )
                else:
                    if self._is_over(states):
                        break
                await asyncio.sleep(self.poll_interval)
        finally:
            states.leave(*runs)
        yield TriggerEvent({"earlier_run": self.earlier_run})  # type: ignore[no-untyped-call]  # Airflow's

    def _is_over(self, states: RunStates) -> bool:
        if self.gives_up_on_failure and any(
            state == "failed" and is_node(task_id) for task_id, state in states.of_run(self.run_id).items()
        ):
            return True
        if not states.is_going(self.earlier_run):
            return True
        if self.nodes is None:
            return False
        earlier = states.of_run(self.earlier_run)
        return all(earlier[node] in FINISHED for node in self.nodes if node in earlier)
