"""What differs from one kind of database server to the next, beyond its SQL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

ROWS_A_FETCH = 500

_PASSING_ERRORS = frozenset({"OperationalError", "InterfaceError", "InternalError"})
"""Of PEP 249: what the one who wrote the statement could not help."""


@dataclass(frozen=True, slots=True)
class SessionStart:
    """What the server said when a session began.

    :param session_id: names the session to :meth:`Server.cancel`
    :param notes: what could not be set up, for the log
    :param keeps_limit: the server or its driver ends a statement at its limit; otherwise the session does
    """

    session_id: Any
    notes: tuple[str, ...] = ()
    keeps_limit: bool = True


class Server(ABC):
    """One kind of server. All methods but :meth:`cancel` are called in the thread that owns the connection.

    :param transactions: the source has transactions that span several statements
    :param read_only_transactions: the source knows read-only transactions
    """

    placeholder: ClassVar[str | None] = None
    """Stands where a parameter belongs; ``None`` where drivers write parameters as literals."""
    begin_transaction: ClassVar[str] = "START TRANSACTION"
    begin_reading: ClassVar[str] = "START TRANSACTION READ ONLY"

    def __init__(self, *, transactions: bool = True, read_only_transactions: bool = True) -> None:
        self.transactions = transactions
        self.read_only_transactions = read_only_transactions

    @abstractmethod
    def start(self, connection: Any, limit: float | None) -> SessionStart:
        """Prepare a new connection: each statement is committed by itself, and ends when its client is gone.

        :param connection: of the driver
        :param limit: seconds that one statement may take; ``None`` where nobody set a limit
        """

    @abstractmethod
    def cancel(self, hook: Any, connection: Any, session_id: Any) -> None:
        """Stop the statement that is running, from another thread than the one that waits for it.

        :param hook: opens a second connection, where the driver cannot cancel by itself
        :param connection: the one that is busy
        :param session_id: of :meth:`start`
        """

    def begin(self, connection: Any) -> None:
        """Begin a transaction, which :meth:`commit` ends."""
        run_quietly(connection, self.begin_transaction)

    def begin_read_only(self, connection: Any) -> None:
        """Begin a transaction that cannot change anything."""
        run_quietly(connection, self.begin_reading)

    def begin_snapshot(self, connection: Any) -> tuple[str, ...]:
        """Begin a transaction that cannot change anything, and in which every statement sees the same rows,
        where the source has such a thing.

        :return: what the server refused, for the log
        """
        self.begin_read_only(connection)
        return ()

    def commit(self, connection: Any) -> None:
        """Keep what the transaction has done."""
        run_quietly(connection, "COMMIT")

    def run(self, connection: Any, sql: str, *, is_query: bool) -> int | None:
        """Run one statement and let its result go, in bounded memory.

        :param sql: reaches the server as it is
        :param is_query: the statement is known to return rows
        :return: number of rows that it returned or changed; ``None`` where the server does not say
        """
        cursor = self.streaming_cursor(connection)
        try:
            cursor.execute(sql)
            return discard_results(cursor)
        finally:
            cursor.close()

    def may_pass(self, error: BaseException) -> bool:
        """Return whether the same statement may work later: the server was down, busy or out of reach.

        :param error: of the driver
        """
        return any(base.__name__ in _PASSING_ERRORS for base in type(error).__mro__)

    def describe(self, error: BaseException) -> str:
        """Return what the server said, with its code.

        :param error: of the driver
        """
        arguments = error.args
        if len(arguments) >= 2 and isinstance(arguments[0], int):
            return f"{arguments[1]} (error {arguments[0]})"
        message = str(error).strip() or type(error).__name__
        state = getattr(error, "sqlstate", None)
        return f"{message} (SQLSTATE {state})" if state else message

    def cursor(self, connection: Any) -> Any:
        """Return a cursor for a statement whose result is small."""
        return connection.cursor()

    @abstractmethod
    def streaming_cursor(self, connection: Any) -> Any:
        """Return a cursor that leaves the rows of a query on the server until they are fetched."""

    @abstractmethod
    def abandon(self, hook: Any, connection: Any, session_id: Any, cursor: Any) -> None:
        """Close a cursor whose rows have not all been fetched, without fetching them."""


def discard_results(cursor: Any) -> int | None:
    """Read all results of a statement to their end, some rows at a time.

    :return: number of rows returned or changed; ``None`` where the driver does not know
    """
    total: int | None = None
    while True:
        if cursor.description:
            total = total or 0
            while rows := cursor.fetchmany(ROWS_A_FETCH):
                total += len(rows)
        elif cursor.rowcount >= 0:
            total = (total or 0) + cursor.rowcount
        next_result = getattr(cursor, "nextset", None)
        if next_result is None or not next_result():
            return total


def attempt(connection: Any, statement: str) -> tuple[str, ...]:
    """Run a statement that not every version of the server knows.

    :return: empty, or one note for the log that says what the server refused
    """
    try:
        run_quietly(connection, statement)
    except Exception as error:
        if not is_driver_error(error):
            raise
        return (f"the server refused {statement!r}: {type(error).__name__}",)
    return ()


def run_quietly(connection: Any, statement: str) -> None:
    """Run a statement whose result does not matter."""
    cursor = connection.cursor()
    try:
        cursor.execute(statement)
        if cursor.description:
            cursor.fetchall()
    finally:
        cursor.close()


def is_driver_error(error: BaseException) -> bool:
    """Tell the errors of any DB-API driver (PEP 249 names their two base classes) from our own.

    Python 3.10's sqlite3 raises its ``Warning`` for a second statement.
    """
    return any(
        base.__name__ in ("Error", "Warning") and base.__module__ != "builtins"
        for base in type(error).__mro__
    )
