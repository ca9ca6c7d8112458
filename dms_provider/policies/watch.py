"""A thread beside a node's work that ends the work once another node has failed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

WATCH_SECONDS = 5.0
"""How often it is asked whether a node has failed; a node that is done sooner is never asked about."""

log = logging.getLogger(__name__)


class FailureWatch:
    """Used in a ``with`` statement around the work.

    :param failed_nodes: returns the ids of the nodes that have failed; may raise, and is asked again
    :param stop: ends the work; may be called in any thread
    """

    def __init__(self, failed_nodes: Callable[[], Sequence[str]], stop: Callable[[], None]) -> None:
        self._failed_nodes = failed_nodes
        self._stop = stop
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="failure-watch", daemon=True)
        self.stopped_for: tuple[str, ...] = ()

    def __enter__(self) -> FailureWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(WATCH_SECONDS):
            try:
                failed = self._failed_nodes()
            except Exception:
                log.warning("Could not ask whether a node has failed; asking again", exc_info=True)
                continue
            if failed and not self._over.is_set():
                self.stopped_for = tuple(failed)
                log.warning("Stopping: %s failed", ", ".join(failed))
                self._stop()
                return
