"""The script of one try is stopped, at whatever moment somebody asks for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from dms_provider.cloud_assistant.client import CloudAssistant
from dms_provider.cloud_assistant.record import Sent
from dms_provider.cloud_assistant.waiting import stop_and_wait

KILL_SECONDS = 4.0
"""Airflow gives a task 5 s between SIGTERM and SIGKILL."""
STOP_SECONDS = 20.0


class ScriptStopper:
    """Knows what one try has sent, and stops it.

    :param connect: makes requests in a region
    :param log: of the task
    """

    def __init__(self, connect: Callable[[str], CloudAssistant], log: Any) -> None:
        self.sent: Sent | None = None
        """``None`` as long as nothing can have been sent."""
        self.is_told = False
        """Whether the task was told to stop."""
        self.told = threading.Event()
        """Set soon after; ends a wait."""
        self._connect = connect
        self._log = log
        self._assistants: Sequence[CloudAssistant] = ()

    def connect(self, region: str) -> CloudAssistant:
        """Return what makes requests in a region, and none any more when the task is told to stop."""
        assistant = self._connect(region)
        if not self.is_told:
            self._assistants = (*self._assistants, assistant)
        return assistant

    def tell(self) -> None:
        """Stop the script because the task is to end; return when it has ended, or time is over."""
        self.is_told = True
        # In a thread: a signal can come while this one holds a lock that an event, a log or a request needs.
        stopping = threading.Thread(target=self._stop_what_was_sent, daemon=True)
        stopping.start()
        stopping.join(KILL_SECONDS)

    def stop(self, seconds: float = STOP_SECONDS) -> str | None:
        """Stop the script, and return why it may run nevertheless.

        :param seconds: to wait for its end
        """
        sent = self.sent
        if sent is None:
            return None
        try:
            assistant = self._connect(sent.region)
            assistant.retry_waits = ()
            found = (sent.invoke_id,) if sent.invoke_id is not None else assistant.find(sent.token)
            if found:
                return stop_and_wait(assistant, found[0], sent.instances, seconds)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return "its invocation was not found"

    def stop_if_started(self, error: Exception) -> None:
        """Stop the script where its request failed, and may have been taken nevertheless.

        :param error: of the request
        """
        if self.is_told or not getattr(error, "may_pass", True):
            return
        if (problem := self.stop()) is None:
            self._log.warning("The script was stopped: ECS had taken the request that got no answer")
        else:
            self._log.error("Nobody knows whether the script runs: %s", problem)

    def _stop_what_was_sent(self) -> None:
        """Stop the script, also where the answer to its request is still on the way."""
        self.told.set()
        for assistant in self._assistants:
            assistant.stopped.set()
        if self.sent is None:
            return
        self._log.info("Told to stop: stopping the script on %s", ", ".join(self.sent.instances))
        deadline = time.monotonic() + KILL_SECONDS
        while (problem := self.stop(max(0.0, deadline - time.monotonic()))) is not None:
            if time.monotonic() > deadline:
                self._log.error("The script may still run: %s", problem)
                return
            time.sleep(0.2)
