"""SQLite, which runs in the node's own process.

It knows the operator REGEXP and no function for it, and no standard deviation; both are given to it here.
"""

from __future__ import annotations

import math
import re
from typing import Any

from dms_provider.sessions.server import Server, SessionStart

_WAIT_FOR_OTHER_WRITERS_MILLISECONDS = 30_000
_MISTAKE_IN_STATEMENT = re.compile(r"no such|near |ambiguous|unrecognized|incomplete|wrong number|misuse")
"""SQLite has one class of error for what is wrong with a statement and what is wrong with the file."""


def _matches(pattern: str, value: Any) -> bool | None:
    """``value REGEXP pattern``: Python's regular expressions, anywhere in the value."""
    return None if value is None else re.search(pattern, str(value)) is not None


class _PopulationDeviation:
    """``STDDEV_POP(value)``, by Welford's way, which does not subtract large numbers."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = 0.0
        self._squares = 0.0

    def step(self, value: Any) -> None:
        if value is None:
            return
        number = float(value)
        self._count += 1
        away = number - self._mean
        self._mean += away / self._count
        self._squares += away * (number - self._mean)

    def finalize(self) -> float | None:
        return math.sqrt(self._squares / self._count) if self._count else None


class SQLiteServer(Server):
    """SQLite. A statement ends with its process, so a killed worker leaves none behind.

    It knows no limit of a statement; the session keeps it.
    """

    placeholder = "?"
    begin_transaction = "BEGIN"
    begin_reading = "PRAGMA query_only = ON"

    def start(self, connection: Any, limit: float | None) -> SessionStart:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {_WAIT_FOR_OTHER_WRITERS_MILLISECONDS}")
        connection.create_function("regexp", 2, _matches, deterministic=True)
        connection.create_aggregate("stddev_pop", 1, _PopulationDeviation)
        return SessionStart(connection, keeps_limit=False)

    def begin_snapshot(self, connection: Any) -> tuple[str, ...]:
        super().begin_snapshot(connection)
        self.begin(connection)
        return ()

    def cancel(self, hook: Any, connection: Any, session_id: Any) -> None:
        connection.interrupt()

    def may_pass(self, error: BaseException) -> bool:
        return super().may_pass(error) and not _MISTAKE_IN_STATEMENT.match(str(error))

    def streaming_cursor(self, connection: Any) -> Any:
        return connection.cursor()

    def abandon(self, hook: Any, connection: Any, session_id: Any, cursor: Any) -> None:
        cursor.close()
