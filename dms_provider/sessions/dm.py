"""DM (Dameng), through dmPython."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from dms_provider.sessions.implicit import ImplicitTransactions
from dms_provider.sessions.server import SessionStart, discard_results

_PASSING = frozenset({-6001, -6403, -6407, -70019, -70025, -70028})
"""Network, deadlock, time-out of a lock, no connection."""


class DMServer(ImplicitTransactions):
    """DM. A second connection ends the session with ``SP_CLOSE_SESSION``: the driver cannot cancel.

    The driver sets no limit for statements either, so the node's session keeps it.
    """

    def start(self, connection: Any, limit: float | None) -> SessionStart:
        connection.autoCommit = True

        def ask() -> Any:
            with closing(connection.cursor()) as cursor:
                cursor.executedirect("SELECT SESSID() FROM DUAL")
                return cursor.fetchone()[0]

        return self.start_numbered(ask, keeps_limit=False)

    def commit_each(self, connection: Any, each: bool) -> None:
        connection.autoCommit = each

    def cancel(self, hook: Any, connection: Any, session_id: Any) -> None:
        with closing(hook.get_conn()) as second, closing(second.cursor()) as cursor:
            cursor.executedirect(f"SP_CLOSE_SESSION({int(session_id)})")

    def run(self, connection: Any, sql: str, *, is_query: bool) -> int | None:
        # Unlike execute(), this takes no part of the text for a parameter, such as :NEW in a trigger.
        with closing(connection.cursor()) as cursor:
            cursor.executedirect(sql)
            return discard_results(cursor)

    def may_pass(self, error: BaseException) -> bool:
        detail = error.args[0] if error.args else None
        return getattr(detail, "code", 0) in _PASSING or super().may_pass(error)

    def streaming_cursor(self, connection: Any) -> Any:
        return connection.cursor()
