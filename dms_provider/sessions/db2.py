"""Db2, through ibm_db."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from typing import Any
from weakref import WeakKeyDictionary

from dms_provider.sessions.implicit import ImplicitTransactions
from dms_provider.sessions.server import ROWS_A_FETCH, SessionStart, is_driver_error

_PASSING = ("SQLSTATE=08", "SQLSTATE=40001", "SQLSTATE=57033", "SQLSTATE=57011", "SQLSTATE=57019")
"""No connection; deadlock or time-out of a lock; a resource that is not there now."""
_ACTIVITIES = "SELECT UOW_ID, ACTIVITY_ID FROM TABLE(MON_GET_ACTIVITY({handle}, -2))"


class Db2Server(ImplicitTransactions):
    """Db2. A second connection cancels what the first one does: the driver cannot.

    That takes the right to ``WLM_CANCEL_ACTIVITY``, or the authority to force applications off.
    """

    placeholder = "?"

    def __init__(self, *, transactions: bool = True) -> None:
        super().__init__(transactions=transactions, read_only_transactions=False)
        self._limits: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    def start(self, connection: Any, limit: float | None) -> SessionStart:
        connection.set_autocommit(True)
        if limit is not None:
            self._limits[connection] = limit

        def ask() -> Any:
            with closing(self.cursor(connection)) as cursor:
                cursor.execute("VALUES MON_GET_APPLICATION_HANDLE()")
                return cursor.fetchall()[0][0]

        return self.start_numbered(ask, keeps_limit=True)

    def commit_each(self, connection: Any, each: bool) -> None:
        connection.set_autocommit(each)

    def cancel(self, hook: Any, connection: Any, session_id: Any) -> None:
        handle = int(session_id)
        with closing(hook.get_conn()) as second, closing(self.cursor(second)) as cursor:
            second.set_autocommit(True)
            try:
                cursor.execute(_ACTIVITIES.format(handle=handle))
                for unit, activity in cursor.fetchall():
                    cursor.execute(f"CALL WLM_CANCEL_ACTIVITY({handle}, {int(unit)}, {int(activity)})")
            except Exception as error:
                if not is_driver_error(error):
                    raise
                cursor.execute(f"CALL SYSPROC.ADMIN_CMD('FORCE APPLICATION ({handle})')")

    def run(self, connection: Any, sql: str, *, is_query: bool) -> int | None:
        with closing(self.cursor(connection)) as cursor:
            cursor.execute(sql)
            return int(cursor.discard())

    def may_pass(self, error: BaseException) -> bool:
        return any(state in str(error) for state in _PASSING)

    def cursor(self, connection: Any) -> Any:
        return Db2Cursor(connection, self._limits.get(connection))

    def streaming_cursor(self, connection: Any) -> Any:
        return self.cursor(connection)


class Db2Cursor:
    """A cursor of ibm_db_dbi whose statements have a limit, and whose errors are all of PEP 249.

    :param connection: of ibm_db_dbi
    :param limit: seconds that one statement may take
    """

    def __init__(self, connection: Any, limit: float | None) -> None:
        self._cursor = connection.cursor()
        self._limit = limit

    @property
    def description(self) -> Any:
        """The columns of the result; ``None`` without one."""
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        """Number of rows that the statement changed; -1 for a query."""
        return int(self._cursor.rowcount)

    def execute(self, sql: str, parameters: Sequence[str] | None = None) -> None:
        """Run one statement; the server ends it at the limit."""
        import ibm_db

        self._cursor.prepare(sql)
        if self._limit is not None:
            seconds = math.ceil(self._limit)
            ibm_db.set_option(self._cursor.stmt_handler, {ibm_db.SQL_ATTR_QUERY_TIMEOUT: seconds}, 0)
        self._cursor.execute(None, parameters)

    def fetchmany(self, size: int) -> list[Any]:
        """Fetch up to a number of rows."""
        return self._fetch(lambda: self._cursor.fetchmany(size))

    def fetchall(self) -> list[Any]:
        """Fetch all rows that are left."""
        return self._fetch(self._cursor.fetchall)

    def discard(self) -> int:
        """Read the result to its end and keep nothing.

        :return: number of rows returned or changed
        """
        if not self.description:
            return max(self.rowcount, 0)
        total = 0
        while rows := self.fetchmany(ROWS_A_FETCH):
            total += len(rows)
        return total

    def close(self) -> None:
        """Let the server forget the statement; without one the driver would raise an error of its own."""
        if self._cursor.stmt_handler is not None:
            self._cursor.close()

    @staticmethod
    def _fetch(fetch: Any) -> list[Any]:
        import ibm_db_dbi

        try:
            return list(fetch())
        except ibm_db_dbi.Error:
            raise
        except Exception as error:
            # While it fetches, the driver raises no errors of its classes but plain ones.
            raise ibm_db_dbi.DatabaseError(str(error)) from error
