"""A node waits, without a worker: it looks again and again, until its time is over."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

from airflow.triggers.base import BaseTrigger, TriggerEvent

from dms_provider.sensors.look import Look, LookFailed
from dms_provider.triggers.deferral import settling_seconds

LOOKS_AT_ONCE = 8
"""So many looks does one triggerer make at once at one place: many nodes begin to wait at the same minute."""

_KILL_SECONDS = 5.0

_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Semaphore]] = WeakKeyDictionary()
"""Event loop -> who is asked -> the looks that may be made there."""

T = TypeVar("T")


class WaitingTrigger(BaseTrigger):
    """Look again and again, until what is looked for is there. A subclass says what looks.

    What a look needs of connections and secrets it reads in the triggerer; none is among the arguments.

    :param look: of :meth:`~dms_provider.sensors.look.Look.to_json`
    :param looked_for: what is looked for, for messages
    :param poke_interval: seconds between two looks
    :param deadline: when to give up, in seconds since 1970 in UTC; ``None`` for never
    """

    look_type: ClassVar[type[Look]]

    def __init__(
        self, *, look: Mapping[str, Any], looked_for: str, poke_interval: float, deadline: float | None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's
        self.look = look
        self.looked_for = looked_for
        self.poke_interval = poke_interval
        self.deadline = deadline
        self._look = self.look_type.from_json(look)
        self._failure: str | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "look": self.look,
                "looked_for": self.looked_for,
                "poke_interval": self.poke_interval,
                "deadline": self.deadline,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: it is there, or why the wait is over without it."""
        problem: str | None
        begun = time.monotonic()
        try:
            problem = await asyncio.wait_for(self._wait(), self._seconds_left())
        except asyncio.TimeoutError:
            problem = f"{self.looked_for} did not come in time"
            if self._look.missing is not None:
                problem += f": {self._look.missing}"
            if self._failure is not None:
                problem += f"; the last look failed: {self._failure}"
        finally:
            await self._kill()
        await asyncio.sleep(max(0.0, begun + settling_seconds() - time.monotonic()))
        event = {"found": self.looked_for, "problem": problem}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]  # Airflow's

    async def on_kill(self) -> None:
        """Stop the look, on the server itself. Airflow calls this when the task is to end."""
        await self._kill()

    async def _wait(self) -> str | None:
        """Return once it is there, or with the reason why no further look can find it."""
        while True:
            await asyncio.sleep(self.poke_interval)
            try:
                async with slot(self._look.asked):
                    is_there = await self._look_once()
            except LookFailed as error:
                self._look.report(self.log)
                if not error.may_pass:
                    return str(error)
                self._failure = str(error)
                self.log.warning("Could not look: %s; looking again in %g s", error, self.poke_interval)
                continue
            self._failure = None
            self._look.report(self.log)
            if is_there:
                return None
            self.log.info("Not there yet; looking again in %g s", self.poke_interval)

    async def _look_once(self) -> bool:
        seconds = self._seconds_left()
        timeout = None if seconds is None else timedelta(seconds=max(seconds, 1.0))
        return await in_thread(lambda: self._look.is_there(timeout))

    async def _kill(self) -> None:
        if self._look.is_looking:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(in_thread(self._look.kill), _KILL_SECONDS)

    def _seconds_left(self) -> float | None:
        return None if self.deadline is None else max(self.deadline - time.time(), 0.0)


def slot(asked: str) -> asyncio.Semaphore:
    """Return what bounds the looks that this triggerer makes at once at one place.

    :param asked: who answers, such as a connection
    """
    return _slots.setdefault(asyncio.get_running_loop(), {}).setdefault(
        asked, asyncio.Semaphore(LOOKS_AT_ONCE)
    )


async def in_thread(work: Callable[[], T]) -> T:
    """Do something that blocks. A thread of its own keeps neither other triggers nor the process waiting."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def tell(tell_outcome: Callable[[], None]) -> None:
        if not outcome.done():
            tell_outcome()

    def do() -> None:
        tell_outcome: Callable[[], None]
        try:
            result = work()
        except BaseException as error:
            tell_outcome = partial(outcome.set_exception, error)
        else:
            tell_outcome = partial(outcome.set_result, result)
        # The loop is closed if the triggerer ended meanwhile.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, tell_outcome)

    threading.Thread(
        target=contextvars.copy_context().run, args=(do,), name="waiting-node", daemon=True
    ).start()
    return await outcome
