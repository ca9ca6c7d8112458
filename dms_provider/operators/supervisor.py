"""A thread beside a node's work that ends the work when Airflow's supervisor of the task has died.

Nobody else would: a task without its supervisor reports to nobody, and Airflow gives its node another try
while the statement or script of this one goes on.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
from collections.abc import Callable
from types import TracebackType

_LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)


class SupervisorWatch:
    """Used in a ``with`` statement around the work. Does nothing in a process that has no supervisor.

    :param stop: ends the work, which then raises; called in the watch's thread
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._over = threading.Event()

    def __enter__(self) -> SupervisorWatch:
        end = _tasks_end()
        if end is not None:
            watch = threading.Thread(target=self._watch, args=(end,), name="supervisor-watch", daemon=True)
            watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def _watch(self, end: socket.socket) -> None:
        poll = select.poll()
        # Nothing is read, and nothing asked for: that the other end is gone is always told.
        poll.register(end, 0)
        while not self._over.is_set():
            if not poll.poll(_LOOK_SECONDS * 1000) or self._over.is_set():
                continue
            try:
                self._stop()
            except Exception:
                log.exception("The task's supervisor has died, and what was going on could not be stopped")
            return


def _tasks_end() -> socket.socket | None:
    """Return the socket over which a task talks to its supervisor; ``dag.test()`` has none."""
    from airflow.sdk.execution_time import task_runner

    end = getattr(getattr(task_runner, "SUPERVISOR_COMMS", None), "socket", None)
    return end if isinstance(end, socket.socket) else None
