"""MySQL, MariaDB and what speaks their protocol, through mysqlclient or mysql-connector-python."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

from dms_provider.sessions.server import Server, SessionStart, attempt, is_driver_error, run_quietly

_MULTI_STATEMENTS_OFF = 1
_NO_SUCH_THREAD = 1094
_ERRORS_OF_THE_CLIENT = range(2000, 3000)
"""The server cannot be reached, or is gone; mysql-connector-python has no class of its own for that."""
_MISTAKES_IN_STATEMENTS = frozenset({1052, 1054, 1142, 1143, 1370, 1525})
"""Unknown column, no right to a table or column, no value of a type: operational errors to the drivers."""
LONGEST_OCEANBASE_STATEMENT = 30 * 86_400.0
_UNREAD_SECONDS = 600
"""How long rows may wait for their reader: by default the server gives up after a minute, and object storage,
to which they may go, can be out of reach for longer."""


class MySQLServer(Server):
    """MySQL's family. A second connection stops the statement with ``KILL QUERY``."""

    def start(self, connection: Any, limit: float | None) -> SessionStart:
        notes = _one_statement_at_a_time(connection)
        _speak_utf8(connection)
        _keep_dates_that_no_calendar_has(connection)
        run_quietly(connection, "SET autocommit = 1")
        attempt(connection, f"SET SESSION net_write_timeout = {_UNREAD_SECONDS}")
        session_id = int(_answer(connection, "SELECT CONNECTION_ID()"))
        limit_notes, keeps_limit = _set_limits(connection, limit)
        return SessionStart(session_id, notes + limit_notes, keeps_limit=keeps_limit)

    def begin_snapshot(self, connection: Any) -> tuple[str, ...]:
        # Of the next transaction only: the server's own default may be another.
        notes = attempt(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return notes + super().begin_snapshot(connection)

    def cancel(self, hook: Any, connection: Any, session_id: Any) -> None:
        with closing(hook.get_conn()) as second, closing(second.cursor()) as cursor:
            try:
                cursor.execute(f"KILL QUERY {int(session_id)}")
            except Exception as error:
                if not error.args or error.args[0] != _NO_SUCH_THREAD:
                    raise

    def may_pass(self, error: BaseException) -> bool:
        code = error.args[0] if error.args else None
        if isinstance(code, int) and code in _ERRORS_OF_THE_CLIENT:
            return True
        return super().may_pass(error) and code not in _MISTAKES_IN_STATEMENTS

    def streaming_cursor(self, connection: Any) -> Any:
        if _is_mysqlclient(connection):
            from MySQLdb.cursors import SSCursor

            return connection.cursor(SSCursor)
        return connection.cursor(buffered=False)

    def abandon(self, hook: Any, connection: Any, session_id: Any, cursor: Any) -> None:
        # Closing alone would read what is left; after the kill only what is under way is left.
        self.cancel(hook, connection, session_id)
        if type(connection).__module__.startswith("mysql.connector."):
            # It reads no faster than the server writes, which notices the kill only when it can write again.
            connection.shutdown()
            return
        try:
            cursor.close()
        except Exception as error:
            if not is_driver_error(error):
                raise


def _is_mysqlclient(connection: Any) -> bool:
    return hasattr(connection, "set_server_option")


def _one_statement_at_a_time(connection: Any) -> tuple[str, ...]:
    """Make the server refuse a text of more than one statement: both drivers allow that by default.

    :return: empty, or one note for the log: not everything that speaks the protocol knows this command
    """
    if not _is_mysqlclient(connection):
        from mysql.connector.constants import ClientFlag

        flags = [-ClientFlag.MULTI_STATEMENTS]
        if hasattr(type(connection), "client_flags"):
            connection.client_flags = flags
        else:
            # Before this became a property.
            connection.set_client_flags(flags)
        connection.reconnect()
        return ()
    try:
        connection.set_server_option(_MULTI_STATEMENTS_OFF)
    except Exception as error:
        if not is_driver_error(error) or error.args[0] in _ERRORS_OF_THE_CLIENT:
            raise
        return (f"the server does not turn off texts of more than one statement: {error.args[-1]}",)
    return ()


def _speak_utf8(connection: Any) -> None:
    if _is_mysqlclient(connection) and not connection.character_set_name().startswith("utf8mb4"):
        connection.set_character_set("utf8mb4")


def _keep_dates_that_no_calendar_has(connection: Any) -> None:
    """Have the text of a date such as 0000-00-00, which mysqlclient would make NULL."""
    if not _is_mysqlclient(connection):
        return
    from MySQLdb.constants import FIELD_TYPE

    for field_type in (FIELD_TYPE.DATE, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP):
        connection.converter[field_type] = partial(_value_or_text, connection.converter[field_type])


def _value_or_text(read: Callable[[str], Any], text: str) -> Any:
    value = read(text)
    return text if value is None else value


def _answer(connection: Any, question: str) -> str:
    """Return what the server answers; empty where it does not know the question."""
    with closing(connection.cursor()) as cursor:
        try:
            cursor.execute(question)
            return str(cursor.fetchall()[0][0])
        except Exception as error:
            if not is_driver_error(error):
                raise
            return ""


def _set_limits(connection: Any, limit: float | None) -> tuple[tuple[str, ...], bool]:
    """Have the server end statements at the limit.

    :return: notes for the log, and whether the server ends every statement at the limit
    """
    version = _answer(connection, "SELECT CONCAT(VERSION(), ' ', @@version_comment)").lower()
    if "oceanbase" in version:
        # By default OceanBase ends every statement after 10 seconds.
        microseconds = math.ceil((limit or LONGEST_OCEANBASE_STATEMENT) * 1_000_000)
        refused = attempt(connection, f"SET SESSION ob_query_timeout = {microseconds}")
        notes = refused + attempt(
            connection, f"SET SESSION ob_trx_timeout = GREATEST(@@ob_trx_timeout, {microseconds})"
        )
        return notes, not refused
    if limit is None:
        return (), True
    is_mariadb = "mariadb" in version
    value: float
    if is_mariadb:
        name, value = "max_statement_time", max(round(limit, 3), 0.001)
    else:
        # Of SELECT alone: the session keeps the limit of other statements.
        name, value = "max_execution_time", math.ceil(limit * 1000)
    current = float(_answer(connection, f"SELECT @@{name}") or 0)
    if 0 < current <= value:
        return (), is_mariadb
    notes = attempt(connection, f"SET SESSION {name} = {value}")
    return notes, is_mariadb and not notes
