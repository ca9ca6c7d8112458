"""SQL Server, through pymssql.

FreeTDS, which pymssql stands on, must not be used by two threads at once: whoever cancels may read the
answer that the other one waits for, and free the row that it reads. So the thread that waits for a
statement's answer cancels it itself, and another thread only tells it to.
"""

from __future__ import annotations

import os
import re
import select
import socket
import threading
from contextlib import suppress
from typing import Any

from dms_provider.sessions.server import Server, SessionStart, run_quietly

_LOOK_AGAIN_MILLISECONDS = 50
_BATCH_ABORT = "SET XACT_ABORT ON"
_OF_THE_LIBRARY = "DB-Lib error message "
_NUMBER_OF_THE_LIBRARY = re.compile(_OF_THE_LIBRARY + "([0-9]+)")
_PASSING = frozenset({64, 233, 596, 921, 922, 1204, 1205, 1222, 3906, 3960, 4060, 10053, 10054, 10060, 10928})
"""Deadlock victim, lock time-out, a database that is recovering, a connection that was cut, and the like."""
_UNREACHABLE = range(20000, 21000)
"""Numbers of FreeTDS itself: no answer, no connection."""
_SERVER_SAID_SO = 20018
_this_thread = threading.local()


class MSSQLServer(Server):
    """SQL Server. It knows no read-only transactions, and no limit of its own for statements.

    :param transactions: the source has transactions that span several statements
    """

    begin_transaction = "BEGIN TRANSACTION"

    def __init__(self, *, transactions: bool = True) -> None:
        super().__init__(transactions=transactions, read_only_transactions=False)

    def start(self, connection: Any, limit: float | None) -> SessionStart:
        from pymssql import set_wait_callback

        set_wait_callback(_wait_for_answer)
        wire = _Wire(connection)
        _this_thread.wire = wire
        connection.autocommit(True)
        # Otherwise a batch goes on behind a statement of it that failed.
        run_quietly(connection, _BATCH_ABORT)
        return SessionStart(wire, keeps_limit=False)

    def cancel(self, hook: Any, connection: Any, session_id: Any) -> None:
        wire: _Wire = session_id
        if wire.told_to_stop:
            wire.cut()
        wire.told_to_stop = True

    def describe(self, error: BaseException) -> str:
        number, text = _number_and_text(error)
        if number is None:
            return super().describe(error)
        said, _, library = text.partition(_OF_THE_LIBRARY)
        message = said or library.partition("\n")[2]
        return f"{message.strip() or 'no message'} (error {number})"

    def may_pass(self, error: BaseException) -> bool:
        number, _ = _number_and_text(error)
        if number is None:
            return super().may_pass(error)
        return number in _PASSING or (number in _UNREACHABLE and number != _SERVER_SAID_SO)

    def streaming_cursor(self, connection: Any) -> Any:
        return connection.cursor()

    def abandon(self, hook: Any, connection: Any, session_id: Any, cursor: Any) -> None:
        _cancel_here(connection)
        cursor.close()


class _Wire:
    """A session's connection, as another thread may touch it.

    :param connection: of pymssql
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.told_to_stop = False
        self._descriptor = -1
        self._inode = -1

    def wait(self, descriptor: int) -> None:
        """Wait for an answer, or for being told to stop; then cancel, which is an ATTENTION to the server."""
        if descriptor != self._descriptor:
            self._descriptor, self._inode = descriptor, os.fstat(descriptor).st_ino
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        while not self.told_to_stop:
            if waiting.poll(_LOOK_AGAIN_MILLISECONDS):
                return
        from pymssql import OperationalError

        _cancel_here(self.connection)
        raise OperationalError(0, "cancelled")

    def cut(self) -> None:
        """Cut the connection: the thread does not wait in its callback but in the driver, for more rows.

        SQL Server ends the statement of a connection that is gone, as it does for an ATTENTION.
        """
        with suppress(OSError):
            if os.fstat(self._descriptor).st_ino == self._inode:
                with socket.socket(fileno=os.dup(self._descriptor)) as own:
                    own.shutdown(socket.SHUT_RDWR)


def _wait_for_answer(descriptor: int) -> None:
    """Wait as pymssql would; it calls this in every thread, for every connection of the process."""
    wire: _Wire | None = getattr(_this_thread, "wire", None)
    if wire is not None:
        wire.wait(descriptor)


def _cancel_here(connection: Any) -> None:
    """Cancel what the connection has under way, in the thread that uses it."""
    from pymssql import OperationalError
    from pymssql._mssql import MSSQLException

    try:
        connection._conn.cancel()
    except MSSQLException as error:
        raise OperationalError(0, str(error)) from error


def _number_and_text(error: BaseException) -> tuple[int | None, str]:
    arguments = error.args
    if len(arguments) == 1 and isinstance(arguments[0], tuple):
        arguments = arguments[0]
    if len(arguments) < 2 or not isinstance(arguments[0], int):
        return None, ""
    said = arguments[1]
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    # The number may be left over from another connection that could not be opened; the text is not.
    library = _NUMBER_OF_THE_LIBRARY.match(text)
    return int(library[1]) if library else arguments[0], text
