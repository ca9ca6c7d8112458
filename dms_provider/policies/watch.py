"""A thread beside a node's work that ends the work once another node has failed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

WATCH_SECONDS = 5.0
"""How often it is asked whether a node has failed; a node that is done sooner is never asked about."""
STOP_SECONDS = 30.0
"""How long the end of the work waits for what stops it, such as the cancelling of a remote command."""

log = logging.getLogger(__name__)


class FailureWatch:
    """Used in a ``with`` statement around the work. Either the work has ended, or it is stopped, never both.

    :param failed_nodes: returns the ids of the nodes that have failed; may raise, and is asked again
    :param stop: ends the work, which then raises; called in the watch's thread
    """

    def __init__(self, failed_nodes: Callable[[], Sequence[str]], stop: Callable[[], None]) -> None:
        self._failed_nodes = failed_nodes
        self._stop = stop
        self._over = threading.Event()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="failure-watch", daemon=True)
        self.stopped_for: tuple[str, ...] = ()

    def __enter__(self) -> FailureWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._turn:
            self._over.set()
        if self.stopped_for:
            self._thread.join(STOP_SECONDS)

    def _watch(self) -> None:
        while not self._over.wait(WATCH_SECONDS):
            try:
                failed = self._failed_nodes()
            except Exception:
                log.warning("Could not ask whether a node has failed; asking again", exc_info=True)
                continue
            if not failed:
                continue
            with self._turn:
                if self._over.is_set():
                    return
                self.stopped_for = tuple(failed)
            log.warning("Stopping: %s failed", ", ".join(failed))
            try:
                self._stop()
            except Exception:
                log.exception("What was going on could not be stopped")
            return
