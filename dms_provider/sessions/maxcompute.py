"""MaxCompute, through PyODPS. Each statement is an instance of its own, which no connection holds."""

from __future__ import annotations

import math
from typing import Any

from dms_provider.sessions.server import Server, SessionStart

_MOST_HOURS = 72
_HOUR = 3600.0


class MaxComputeServer(Server):
    """MaxCompute. An instance goes on without its client, so it is stopped by its id."""

    def start(self, connection: Any, limit: float | None) -> SessionStart:
        if limit is not None and limit <= _MOST_HOURS * _HOUR:
            # For a worker that dies; in whole hours, as MaxCompute has it.
            hours = str(math.ceil(limit / _HOUR))
            connection.settings.setdefault("odps.sql.job.max.time.hours", hours)
        return SessionStart(connection, keeps_limit=False)

    def cancel(self, hook: Any, connection: Any, session_id: Any) -> None:
        connection.cancel(hook.get_odps())

    def run(self, connection: Any, sql: str, *, is_query: bool) -> int | None:
        # The rows of a query stay where they are: nothing has to be read for the statement to end.
        with connection.cursor() as cursor:
            cursor.execute(sql)
        return None

    def streaming_cursor(self, connection: Any) -> Any:
        return connection.cursor()

    def abandon(self, hook: Any, connection: Any, session_id: Any, cursor: Any) -> None:
        cursor.close()
