"""What all nodes that wait have in common: the looks, the way to the triggerer and back, the end in time."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from dms_provider.operators.base import FlowOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dms_provider.sensors.look import Look
    from dms_provider.triggers.waiting import WaitingTrigger

DEFAULT_POKE_INTERVAL = 60.0
_GRACE = timedelta(seconds=30)
"""The trigger knows why it waited in vain, so it is given time to say so before Airflow ends it."""


class WaitedInVain(RuntimeError):
    """What a node waited for did not come in time, or nobody could look for it. The message says which."""


class WaitingOperator(FlowOperator):
    """A node that waits: it looks on the worker, and then again and again in the triggerer.

    It waits until ``execution_timeout`` from its first look. A look that failed and may work later is made
    again; what cannot work later either fails the node at once. A subclass says what is looked for
    (:meth:`make_look`) and which trigger goes on with it.

    :param poke_interval: seconds between two looks
    :param deferrable: wait in the triggerer; otherwise on the worker
    """

    ui_color = "#e8e4f5"
    failure: ClassVar[type[WaitedInVain]] = WaitedInVain
    """What the node fails with."""
    _look: Look | None = None
    _stop: threading.Event | None = None
    _killed = False

    def __init__(
        self, *, poke_interval: float = DEFAULT_POKE_INTERVAL, deferrable: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.poke_interval = poke_interval
        self.deferrable = deferrable

    @abstractmethod
    def make_look(self, context: Context) -> Look:
        """Return what looks for what the node waits for, in this run."""

    @abstractmethod
    def looked_for(self) -> str:
        """Return what the node waits for, for messages, such as ``a row of flights``; known once it looks."""

    @abstractmethod
    def trigger_type(self) -> type[WaitingTrigger]:
        """Return the trigger that goes on with the looks."""

    @property
    def looks_once(self) -> bool:
        """Whether the node fails if its first look finds nothing."""
        return False

    def do_work(self, context: Context) -> None:
        """Look, and wait.

        :raises WaitedInVain: it is not there, and the node does not wait; or nobody could look
        """
        begin = time.time()
        look = self.make_look(context)
        stop = self._stop = threading.Event()
        self._look = look
        if self._killed:
            self.on_kill()
        looked_for = self.looked_for()
        self.log.info("Looking for %s on %s", looked_for, look.asked)
        while not self._is_there(look):
            if self.looks_once:
                raise self.failure(f"there is no {looked_for.removeprefix('a ')}, and mode is once")
            if self.deferrable:
                self._wait_in_triggerer(look, looked_for, begin)
            self.log.info("Not there yet; looking again in %g s", self.poke_interval)
            stop.wait(self.poke_interval)
        self.log.info("Found %s", looked_for)

    def resume(self, context: Context, event: Mapping[str, Any]) -> None:
        """End the node as its trigger says.

        :param event: of a :class:`~dms_provider.triggers.waiting.WaitingTrigger`
        :raises WaitedInVain: it did not come in time, or nobody could look for it
        """
        if event["problem"] is not None:
            raise self.failure(event["problem"])
        self.log.info("Found %s", event["found"])

    def on_kill(self) -> None:
        """Stop the look, on the server itself. Airflow calls this when the task is to end."""
        self._killed = True
        if self._stop is not None:
            self._stop.set()
        if self._look is not None:
            # A signal can come while this thread holds the lock of its log; waiting for it would never end.
            note = ("Told to stop: cancelling what runs on %s", self._look.asked)
            threading.Thread(target=self.log.info, args=note, daemon=True).start()
            self._look.kill()

    def _is_there(self, look: Look) -> bool:
        from dms_provider.sensors.look import LookFailed

        problem: str | None = None
        try:
            is_there = look.is_there(self.execution_timeout)
        except LookFailed as error:
            if self.looks_once or not error.may_pass:
                problem = str(error)
            else:
                self.log.warning("Could not look: %s", error)
            is_there = False
        look.report(self.log)
        if problem is not None:
            raise self.failure(problem)
        return is_there

    def _wait_in_triggerer(self, look: Look, looked_for: str, begin: float) -> NoReturn:
        deadline: float | None = None
        timeout: timedelta | None = None
        if self.execution_timeout is not None:
            deadline = begin + self.execution_timeout.total_seconds()
            timeout = timedelta(seconds=max(deadline - time.time(), 0)) + _GRACE
        self.log.info("Not there yet; waiting in the triggerer, looking every %g s", self.poke_interval)
        trigger = self.trigger_type()(
            look=look.to_json(), looked_for=looked_for, poke_interval=self.poke_interval, deadline=deadline
        )
        self.defer(trigger=trigger, method_name="resume", timeout=timeout)
