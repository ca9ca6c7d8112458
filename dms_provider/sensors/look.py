"""What a waiting node looks for, on a worker or in the triggerer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol


class LookFailed(RuntimeError):
    """Nobody could look. The message says why, and holds no secret.

    :param may_pass: another look may work
    """

    def __init__(self, message: str, *, may_pass: bool) -> None:
        super().__init__(message)
        self.may_pass = may_pass


class Log(Protocol):
    """Where a look tells what it has found."""

    def info(self, message: str, /, *arguments: Any) -> Any:
        """Tell what people may want to know."""

    def warning(self, message: str, /, *arguments: Any) -> Any:
        """Tell what people should know."""


class Look(ABC):
    """Looks for what a node waits for, as often as asked to, and can be stopped at any moment."""

    is_looking = False
    """Whether a look is going on at this moment, which :meth:`kill` would stop."""

    @property
    @abstractmethod
    def asked(self) -> str:
        """Who answers, such as a connection: a triggerer asks each of them for few looks at once."""

    @abstractmethod
    def is_there(self, timeout: timedelta | None) -> bool:
        """Look once, and wait for the answer.

        :param timeout: the look may go on for no longer, even when this process has died
        :return: whether the node's wait is over
        :raises LookFailed: there was no answer, or none will ever be what the node waits for
        """

    @abstractmethod
    def kill(self) -> None:
        """Stop the look that is going, and every further one."""

    @abstractmethod
    def report(self, log: Log) -> None:
        """Log what there is to say since the last report."""

    @property
    def missing(self) -> str | None:
        """What the last look did not find, where there is more to say than what it looked for."""
        return None

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` makes it of again. Of secrets, only where they are kept is in it."""

    @classmethod
    @abstractmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Look:
        """Read back what :meth:`to_json` gave."""
