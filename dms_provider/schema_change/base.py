"""What all ways of a lock-free schema change have in common.

Source: flow-spec, *single_instance_sql* and *Data sources*; DMS reference, *Lock-free schema change*.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final

from dms_provider.dialects import Dialect, Mode
from dms_provider.sessions.session import Session
from dms_provider.sessions.source import Source

OFF: Final = 'run it over a connection with "lock_free": "off", when nobody needs the table'


class SchemaChangeError(RuntimeError):
    """A schema change cannot go lock-free, or did not. The message says why, and what is left behind."""


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """A statement that changes a table or an index.

    :param sql: as its author wrote it, with everything in it
    :param way: how it will be carried out, for people
    """

    sql: str
    way: str


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a node works.

    :param source: its data source
    :param session: its session on that
    :param log: of the task
    """

    source: Source
    session: Session
    log: Any


class LockFree(ABC):
    """How one family of data sources changes tables while others work with them."""

    @abstractmethod
    def recognise(self, sql: str, dialect: Dialect, mode: Mode) -> SchemaChange | None:
        """Return what a statement changes; ``None`` for one that has no need of a lock-free way.

        Only the statement itself is read: nothing is sent anywhere.

        :param sql: one statement, with everything in it
        :param mode: how the session reads SQL
        :raises SchemaChangeError: it would lock, and no lock-free way is known
        """

    @abstractmethod
    def run(self, change: SchemaChange, place: Workplace) -> None:
        """Carry out a change.

        :param change: of :meth:`recognise`
        :raises SchemaChangeError: it could not be done without a lock; the table is as it was
        :raises DatabaseError: the server refused it
        :raises SessionStopped: the session was stopped; nothing of the change is left behind
        """
