"""OceanBase in Oracle mode, which speaks MySQL's protocol, through pyoceanbase."""

from __future__ import annotations

import math
from typing import Any

from dms_provider.sessions.implicit import ImplicitTransactions
from dms_provider.sessions.mysql import LONGEST_OCEANBASE_STATEMENT, MySQLServer
from dms_provider.sessions.server import SessionStart, attempt


class OceanBaseOracleServer(ImplicitTransactions, MySQLServer):
    """OceanBase in Oracle mode. A second connection stops the statement with ``KILL QUERY``."""

    def start(self, connection: Any, limit: float | None) -> SessionStart:
        connection.autocommit(True)
        microseconds = math.ceil((limit or LONGEST_OCEANBASE_STATEMENT) * 1_000_000)
        notes = attempt(connection, f"SET SESSION ob_query_timeout = {microseconds}")
        notes += attempt(connection, f"SET SESSION ob_trx_timeout = {microseconds}")
        return SessionStart(connection.thread_id(), notes)

    def commit_each(self, connection: Any, each: bool) -> None:
        connection.autocommit(each)

    def streaming_cursor(self, connection: Any) -> Any:
        from pyoceanbase.cursors import SSCursor

        return connection.cursor(SSCursor)

    def abandon(self, hook: Any, connection: Any, session_id: Any, cursor: Any) -> None:
        MySQLServer.abandon(self, hook, connection, session_id, cursor)
