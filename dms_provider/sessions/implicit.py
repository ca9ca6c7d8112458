"""Servers on which every statement is in a transaction, and the driver commits behind each or does not."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from dms_provider.sessions.server import Server, SessionStart, is_driver_error, run_quietly


class ImplicitTransactions(Server):
    """No statement begins a transaction: for one, the driver's own commits are switched off."""

    begin_reading = "SET TRANSACTION READ ONLY"

    @abstractmethod
    def commit_each(self, connection: Any, each: bool) -> None:
        """Tell the driver whether each statement is committed by itself."""

    def start_numbered(self, ask: Callable[[], Any], *, keeps_limit: bool) -> SessionStart:
        """Begin a session that another one stops by its number.

        :param ask: asks the server for that number
        :param keeps_limit: as of :class:`SessionStart`
        """
        try:
            return SessionStart(int(ask()), keeps_limit=keeps_limit)
        except Exception as error:
            if not is_driver_error(error):
                raise
            note = f"nothing can be cancelled, since the session's number is not told: {self.describe(error)}"
            return SessionStart(None, (note,), keeps_limit=keeps_limit)

    def begin(self, connection: Any) -> None:
        self.commit_each(connection, False)

    def begin_read_only(self, connection: Any) -> None:
        # A commit behind it would end the transaction that it begins.
        self.commit_each(connection, False)
        run_quietly(connection, self.begin_reading)

    def commit(self, connection: Any) -> None:
        connection.commit()

    def abandon(self, hook: Any, connection: Any, session_id: Any, cursor: Any) -> None:
        cursor.close()
