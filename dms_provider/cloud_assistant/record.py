"""What the tries of one task instance have sent, kept where a worker's death cannot lose it.

Airflow's task state store outlives the worker and the try. A try is noted before its request is sent: so the
next try knows what to look for, however the one before ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Protocol

STORE_KEY: Final = "dms_ecs_invocations"
_ENDED_KEPT: Final = 20


class Store(Protocol):
    """Airflow's task state store, as much of it as is used."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return what is kept under a key."""

    def set(self, key: str, value: Any) -> None:
        """Keep something that is JSON."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What one try has sent, or is about to send.

    :param number: of the try
    :param token: of the try
    :param region: of the instances
    :param instances: ids
    :param secrets: names of those that are in the script
    :param invoke_id: of the invocation; ``None`` as long as nobody knows whether it was accepted
    :param ended: the script is known to run no more
    :param runs_until: when its limit is over if it began at once, in seconds since 1970 in UTC
    """

    number: int
    token: str
    region: str
    instances: tuple[str, ...]
    secrets: tuple[str, ...] = ()
    invoke_id: str | None = None
    ended: bool = False
    runs_until: float | None = None


class InvocationRecord:
    """Keeps what the tries have sent.

    :param store: of the task instance; ``None`` where there is none, and a death loses what was sent
    """

    def __init__(self, store: Store | None) -> None:
        self._store = store
        stored = store.get(STORE_KEY) if store is not None else None
        self._sent = {entry.token: entry for entry in map(_read, stored or ())}

    def of(self, token: str) -> Sent | None:
        """Return what a try has sent, if it came that far."""
        return self._sent.get(token)

    def unfinished(self, *, but: str) -> Sequence[Sent]:
        """Return what earlier tries have sent, unless it is known to have ended.

        :param but: token of the try that asks
        """
        return [sent for token, sent in self._sent.items() if token != but and not sent.ended]

    def note(self, sent: Sent) -> None:
        """Keep what a try is about to send, or what has become of it.

        :raises Exception: Airflow could not keep it
        """
        self._sent[sent.token] = sent
        ended = [token for token, kept in self._sent.items() if kept.ended]
        for token in ended[:-_ENDED_KEPT]:
            del self._sent[token]
        if self._store is not None:
            self._store.set(STORE_KEY, [_written(kept) for kept in self._sent.values()])

    def note_end(self, sent: Iterable[Sent]) -> None:
        """Keep that scripts run no more."""
        for entry in sent:
            self.note(replace(entry, ended=True))


def _written(sent: Sent) -> dict[str, Any]:
    return {**asdict(sent), "instances": list(sent.instances), "secrets": list(sent.secrets)}


def _read(stored: dict[str, Any]) -> Sent:
    lists = {name: tuple(stored[name]) for name in ("instances", "secrets")}
    return Sent(**{**stored, **lists})
