"""An ``ecs_remote_command`` waits for the end of its script, without a worker.

Source: flow-spec, *ecs_remote_command*.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from dms_provider.cloud_assistant.client import CloudAssistant, CloudAssistantError
from dms_provider.cloud_assistant.results import all_ended
from dms_provider.cloud_assistant.waiting import LONGEST_INTERVAL, stop_and_wait
from dms_provider.triggers.deferral import settling_seconds
from dms_provider.triggers.waiting import in_thread, slot

KILL_SECONDS = 20.0
"""Airflow gives a trigger 30 s when its task was cleared, marked or stopped."""


MOST_REFUSALS = 5
"""So often in a row is a question asked that is refused, each time with the connection as it is then."""


class ECSRemoteCommandTrigger(BaseTrigger):
    """Ask for the results of an invocation again and again, until its script has ended everywhere.

    The connection is read in the triggerer; it is not among the arguments.

    :param conn_id: Airflow connection of type ``alibaba_cloud``
    :param owner: of the flow
    :param region: of the instances
    :param invoke_id: of the invocation
    :param instances: ids
    :param poll_interval: seconds between the first two questions; it grows
    :param deadline: when to stop the script, in seconds since 1970 in UTC; ``None`` for never
    """

    def __init__(
        self,
        *,
        conn_id: str,
        owner: str,
        region: str,
        invoke_id: str,
        instances: Sequence[str],
        poll_interval: float,
        deadline: float | None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's
        self.conn_id = conn_id
        self.owner = owner
        self.region = region
        self.invoke_id = invoke_id
        self.instances = list(instances)
        self.poll_interval = poll_interval
        self.deadline = deadline
        self._assistant: CloudAssistant | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "conn_id": self.conn_id,
                "owner": self.owner,
                "region": self.region,
                "invoke_id": self.invoke_id,
                "instances": self.instances,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: the script has ended, or why nobody waits for it any more."""
        begun = time.monotonic()
        problem = await self._wait()
        await asyncio.sleep(max(0.0, begun + settling_seconds() - time.monotonic()))
        event = {"invoke_id": self.invoke_id, "problem": problem}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]  # Airflow's

    async def on_kill(self) -> None:
        """Stop the script. Airflow calls this when the task was cleared, marked or stopped."""
        self.log.info("Told to stop: stopping invocation %s", self.invoke_id)
        # Airflow cancels this a second later, and goes on doing so: the thread alone sees the end.
        await in_thread(self._stop_and_tell)

    async def _wait(self) -> str | None:
        """Return once the script has ended, or with the reason why the wait is over before."""
        interval = self.poll_interval
        refusals = 0
        while True:
            await asyncio.sleep(self._pause(interval))
            interval = min(interval * 1.5, max(LONGEST_INTERVAL, self.poll_interval))
            try:
                async with slot(self.conn_id):
                    if await in_thread(self._has_ended):
                        return None
                refusals = 0
            except CloudAssistantError as error:
                self.log.warning("Could not ask: %s", error)
                refusals = 0 if error.may_pass else refusals + 1
                reason = str(error)
            except Exception as error:
                # Airflow would end the task without a word of this, and the script would go on.
                self.log.exception("Could not ask")
                refusals += 1
                reason = f"{type(error).__name__}: {error}"
            if refusals:
                # A key may have been replaced; and Airflow tells of no connection also while it has trouble.
                self._assistant = None
            if refusals == MOST_REFUSALS:
                return await self._given_up(reason)
            if self.deadline is not None and time.time() >= self.deadline:
                return await self._given_up("it did not end in time")

    async def _given_up(self, reason: str) -> str:
        problem = await in_thread(lambda: self._stop(KILL_SECONDS))
        if problem is None:
            return f"{reason}; it was stopped"
        return f"{reason}; it was told to stop, and may still run: {problem}"

    def _pause(self, interval: float) -> float:
        pause = random.uniform(interval / 2, interval)
        return pause if self.deadline is None else max(min(pause, self.deadline - time.time()), 0.0)

    def _has_ended(self) -> bool:
        return all_ended(self._connected().results(self.invoke_id), len(self.instances))

    def _stop(self, seconds: float) -> str | None:
        """Stop the script, and return why it may run nevertheless."""
        try:
            return stop_and_wait(self._connected(), self.invoke_id, self.instances, seconds)
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    def _stop_and_tell(self) -> None:
        problem = self._stop(KILL_SECONDS)
        if problem is None:
            self.log.info("Invocation %s has ended", self.invoke_id)
        else:
            self.log.error("Invocation %s may still run: %s", self.invoke_id, problem)

    def _connected(self) -> CloudAssistant:
        if self._assistant is None:
            from dms_provider.hooks.alibaba_cloud import AlibabaCloudHook

            hook = AlibabaCloudHook(self.conn_id, region=self.region, owner=self.owner)
            self._assistant = hook.cloud_assistant()
            # A question that found no answer is asked again by the loop.
            self._assistant.retry_waits = (0.5,)
        return self._assistant
