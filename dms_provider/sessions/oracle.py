"""Oracle, through python-oracledb."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from dms_provider.sessions.implicit import ImplicitTransactions
from dms_provider.sessions.server import SessionStart

_PASSING = frozenset(
    {
        18,
        20,
        51,
        54,
        60,
        1012,
        1033,
        1034,
        1089,
        1090,
        1092,
        1555,
        3113,
        3114,
        3135,
        4021,
        8177,
        12514,
        12541,
        30006,
    }
)
"""Deadlock, busy resource, a database that starts or stops, too many sessions, a connection that was cut."""


class OracleServer(ImplicitTransactions):
    """Oracle. The driver cancels, with a break in the session's own connection.

    Data goes in as literals: a parameter is VARCHAR2, to which a padded column CHAR is not equal.
    """

    def start(self, connection: Any, limit: float | None) -> SessionStart:
        connection.autocommit = True
        connection.outputtypehandler = _exact_and_whole
        if limit is not None:
            connection.call_timeout = math.ceil(limit * 1000)
        return SessionStart(connection)

    def commit_each(self, connection: Any, each: bool) -> None:
        connection.autocommit = each

    def cancel(self, hook: Any, connection: Any, session_id: Any) -> None:
        connection.cancel()

    def may_pass(self, error: BaseException) -> bool:
        detail = error.args[0] if error.args else None
        if getattr(detail, "code", 0) in _PASSING or getattr(detail, "isrecoverable", False):
            return True
        return super().may_pass(error)

    def streaming_cursor(self, connection: Any) -> Any:
        return connection.cursor()


def _exact_and_whole(cursor: Any, column: Any) -> Any:
    """Give numbers with all their digits, not as floats; and large objects as what is in them."""
    import oracledb

    kinds = {
        oracledb.DB_TYPE_NUMBER: Decimal,
        oracledb.DB_TYPE_CLOB: oracledb.DB_TYPE_LONG,
        oracledb.DB_TYPE_NCLOB: oracledb.DB_TYPE_LONG_NVARCHAR,
        oracledb.DB_TYPE_BLOB: oracledb.DB_TYPE_LONG_RAW,
    }
    kind = kinds.get(column.type_code)
    return None if kind is None else cursor.var(kind, arraysize=cursor.arraysize)
