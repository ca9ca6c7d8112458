"""PostgreSQL and what speaks its protocol, through psycopg 3 or psycopg2."""

from __future__ import annotations

import math
from typing import Any

from dms_provider.sessions.postgres_times import read_all_times
from dms_provider.sessions.server import ROWS_A_FETCH, Server, SessionStart, attempt

_CURSOR = "dms_rows"
_SNAPSHOT = "START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_CANCEL_SECONDS = 3.0


class PostgresServer(Server):
    """PostgreSQL. The driver cancels: with the key of the session, over a connection of its own."""

    placeholder = "%s"

    def start(self, connection: Any, limit: float | None) -> SessionStart:
        connection.autocommit = True
        read_all_times(connection)
        notes: tuple[str, ...] = ()
        if limit is not None:
            milliseconds = math.ceil(limit * 1000)
            notes += attempt(
                connection,
                "SELECT set_config('statement_timeout', CASE WHEN setting::bigint BETWEEN 1 AND "
                f"{milliseconds} THEN setting ELSE '{milliseconds}' END, false) "
                "FROM pg_settings WHERE name = 'statement_timeout'",
            )
        # Known from version 14 on: the statement of a client that was killed ends within the second.
        attempt(connection, "SET client_connection_check_interval = '1s'")
        return SessionStart(connection, notes, keeps_limit=not notes)

    def begin_snapshot(self, connection: Any) -> tuple[str, ...]:
        refused = attempt(connection, _SNAPSHOT) if self.transactions else ()
        if refused or not self.transactions:
            self.begin_read_only(connection)
        return refused

    def cancel(self, hook: Any, connection: Any, session_id: Any) -> None:
        if hasattr(connection, "cancel_safe"):
            connection.cancel_safe(timeout=_CANCEL_SECONDS)
        else:
            connection.cancel()

    def run(self, connection: Any, sql: str, *, is_query: bool) -> int | None:
        cursor = connection.cursor()
        try:
            if is_query and hasattr(cursor, "stream"):
                return sum(1 for _ in cursor.stream(sql, **_chunks()))
            cursor.execute(sql)
            return _discard(cursor)
        finally:
            cursor.close()

    def streaming_cursor(self, connection: Any) -> Any:
        return connection.cursor(name=_CURSOR)

    def abandon(self, hook: Any, connection: Any, session_id: Any, cursor: Any) -> None:
        cursor.close()


def _discard(cursor: Any) -> int | None:
    total: int | None = None
    while True:
        if cursor.rowcount >= 0:
            total = (total or 0) + cursor.rowcount
        if not hasattr(cursor, "stream") or not cursor.nextset():
            return total


def _chunks() -> dict[str, int]:
    from psycopg import capabilities

    return {"size": ROWS_A_FETCH} if capabilities.has_stream_chunked() else {}
