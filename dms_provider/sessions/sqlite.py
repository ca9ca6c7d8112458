"""SQLite, which runs in the node's own process."""

from __future__ import annotations

import re
from typing import Any

from dms_provider.sessions.server import Server, SessionStart

_WAIT_FOR_OTHER_WRITERS_MILLISECONDS = 30_000
_MISTAKE_IN_STATEMENT = re.compile(r"no such|near |ambiguous|unrecognized|incomplete|wrong number|misuse")
"""SQLite has one class of error for what is wrong with a statement and what is wrong with the file."""


class SQLiteServer(Server):
    """SQLite. A statement ends with its process, so a killed worker leaves none behind."""

    placeholder = "?"
    begin_transaction = "BEGIN"
    begin_reading = "PRAGMA query_only = ON"

    def start(self, connection: Any, limit: float | None) -> SessionStart:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {_WAIT_FOR_OTHER_WRITERS_MILLISECONDS}")
        return SessionStart(connection)

    def cancel(self, hook: Any, connection: Any, session_id: Any) -> None:
        connection.interrupt()

    def may_pass(self, error: BaseException) -> bool:
        return super().may_pass(error) and not _MISTAKE_IN_STATEMENT.match(str(error))

    def streaming_cursor(self, connection: Any) -> Any:
        return connection.cursor()

    def abandon(self, hook: Any, connection: Any, session_id: Any, cursor: Any) -> None:
        cursor.close()
