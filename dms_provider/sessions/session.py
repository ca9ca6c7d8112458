"""One database session that can be stopped at any moment.

Drivers in C do not let Python's signal handlers run while the server works (DMS reference for data sources,
section 6). So the connection lives in a thread of its own, the node's main thread only waits, and whoever
stops the session cancels the statement on the server itself.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

from dms_provider.sessions.server import ROWS_A_FETCH, SessionStart, is_driver_error
from dms_provider.sessions.source import Source

_KILL_SECONDS = 4.0
_CANCEL_AGAIN_SECONDS = 0.25
_IDLE_CHECK_SECONDS = 0.01
_CLOSE_SECONDS = 2.0
_LISTEN_SECONDS = 0.25
"""A signal that comes just before Python begins to wait is heard when that wait ends, and no earlier."""
_LARGE_BATCH = 200_000

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class SessionStopped(RuntimeError):
    """The session was stopped while it worked, or before. Nothing further runs in it."""

    def __init__(self, conn_id: str) -> None:
        super().__init__(
            f"stopped: the session on {conn_id} was told to end, and what it ran was cancelled there"
        )


class DatabaseError(RuntimeError):
    """The data source, or its driver, refused something. The message holds no secret.

    :param may_pass: the same may work later: the server was down, busy or out of reach
    :param code: the server's number of the error, or its SQLSTATE; ``None`` where the driver knows neither
    """

    def __init__(self, message: str, *, may_pass: bool = False, code: int | str | None = None) -> None:
        super().__init__(message)
        self.may_pass = may_pass
        self.code = code


class Query:
    """The rows of a query, as they are fetched.

    :param columns: their names
    :param fetch_rows: fetches up to a number of rows
    """

    def __init__(self, columns: tuple[str, ...], fetch_rows: Callable[[int], list[tuple[Any, ...]]]) -> None:
        self.columns = columns
        self.rows_fetched = 0
        self.at_end = False
        self._fetch_rows = fetch_rows
        self._batch = 1

    def fetch(self, most: int | None) -> list[tuple[Any, ...]]:
        """Fetch some more rows; :attr:`at_end` says whether these were the last.

        :param most: how many rows are still wanted; ``None`` for all
        :raises DatabaseError: the server refused it
        :raises SessionStopped: the session was stopped
        """
        wanted = self._batch if most is None else min(self._batch, most)
        rows = self._fetch_rows(wanted)
        self.rows_fetched += len(rows)
        self.at_end = len(rows) < wanted
        size = sum(len(cell) for row in rows for cell in row if isinstance(cell, (str, bytes)))
        self._batch = min(self._batch * 2, ROWS_A_FETCH) if size < _LARGE_BATCH else max(self._batch // 2, 1)
        return rows


class Session:
    """One database session. Use it in a ``with`` statement, in the main thread of a process.

    :param source: what to connect to
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._work: SimpleQueue[Callable[[Any], Any] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=f"session-{source.conn_id}", daemon=True)
        self._connection: Any = None
        self._session_id: Any = None
        self._own_limit: float | None = None
        self._limit_is_up = False
        self._busy = False
        self._stopped = False
        self.notes: tuple[str, ...] = ()

    def __enter__(self) -> Session:
        self._thread.start()
        try:
            self.notes = self._do(lambda _: self._connect()).notes
        except BaseException as error:
            self.close()
            if isinstance(error, DatabaseError):
                # Servers name themselves, if at all, by address: it takes the connection to mend it.
                error.args = (f"no session on {self._source.conn_id}: {error}",)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin(self) -> None:
        """Begin a transaction; :meth:`commit` keeps what it does, and the end of the session undoes it.

        :raises DatabaseError: the server refused it
        :raises SessionStopped: the session was stopped
        """
        self._do(self._source.server.begin)

    def begin_snapshot(self) -> tuple[str, ...]:
        """Begin a transaction that cannot change anything, and in which every statement sees the same rows,
        where the source has such things; it ends with the session.

        :return: what the server refused, for the log
        :raises DatabaseError: the server refused to begin one at all
        :raises SessionStopped: the session was stopped
        """
        server = self._source.server
        return self._do(server.begin_snapshot) if server.read_only_transactions else ()

    def commit(self) -> None:
        """Keep what the transaction has done.

        :raises DatabaseError: the server refused it
        :raises SessionStopped: the session was stopped
        """
        self._do(self._source.server.commit)

    def execute(self, sql: str, *, is_query: bool = False) -> int | None:
        """Run one statement to its end, and keep nothing of its result.

        :param is_query: the statement is known to return rows
        :return: number of rows returned or changed; ``None`` where the server does not say
        :raises DatabaseError: the server refused it
        :raises SessionStopped: the session was stopped
        """
        return self._do(lambda connection: self._source.server.run(connection, sql, is_query=is_query))

    def first_row(self, sql: str) -> tuple[Any, ...]:
        """Run a query of which one small row is wanted.

        :raises DatabaseError: the server refused it, or there is no row
        :raises SessionStopped: the session was stopped
        """

        row = self.row(sql)
        if row is None:
            raise DatabaseError(f"{self._source.conn_id}: {sql} gave no row")
        return row

    def row(self, sql: str, parameters: Sequence[str] = ()) -> tuple[Any, ...] | None:
        """Run a query that gives few small rows.

        :param parameters: for the placeholders of the driver; without any, ``sql`` reaches the server as it
            is
        :return: its first row; ``None`` if there is none
        :raises DatabaseError: the server refused it
        :raises SessionStopped: the session was stopped
        """

        def fetch(connection: Any) -> tuple[Any, ...] | None:
            cursor = self._source.server.cursor(connection)
            try:
                cursor.execute(sql, parameters) if parameters else cursor.execute(sql)
                rows = cursor.fetchall()
            finally:
                cursor.close()
            return tuple(rows[0]) if rows else None

        return self._do(fetch)

    @contextmanager
    def query(self, sql: str) -> Iterator[Query]:
        """Run a query whose rows stay on the server until they are fetched; the rest stays there.

        It runs in a read-only transaction where the source has such a thing. The session is good for nothing
        else afterwards.

        :raises DatabaseError: the server refused it
        :raises SessionStopped: the session was stopped
        """
        server, hook = self._source.server, self._source.hook

        def start(connection: Any) -> tuple[Any, tuple[str, ...]]:
            if server.read_only_transactions:
                server.begin_read_only(connection)
            cursor = server.streaming_cursor(connection)
            cursor.execute(sql)
            return cursor, tuple(str(column[0]) for column in cursor.description or ())

        cursor, columns = self._do(start)
        query = Query(
            columns, lambda rows: self._do(lambda _: [tuple(row) for row in cursor.fetchmany(rows)])
        )
        try:
            yield query
        finally:
            if query.at_end and not self._is_unusable:
                self._do(lambda _: cursor.close())
            elif not self._is_unusable:
                self._do(lambda connection: server.abandon(hook, connection, self._session_id, cursor))

    def kill(self) -> None:
        """Stop what runs, on the server; nothing further runs in this session.

        Safe in a signal handler and in any thread. Waits until the server has let go, but no longer than a
        few seconds, because Airflow ends a process that takes longer; the server is asked until it has.
        """
        if self._stopped:
            return
        self._stopped = True
        killer = threading.Thread(target=self._cancel_until_idle, name="session-kill", daemon=True)
        killer.start()
        killer.join(_KILL_SECONDS)

    def close(self) -> None:
        """End the session. What still runs, because the caller was interrupted, is stopped on the server."""
        if self._busy:
            self.kill()
        self._work.put(None)
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)

    @property
    def stopped(self) -> bool:
        """Whether the session was told to end."""
        return self._stopped

    @property
    def usable(self) -> bool:
        """Whether more can be run: it was not stopped, and nothing in it was interrupted."""
        return not self._is_unusable

    @property
    def _is_unusable(self) -> bool:
        """The session was stopped, its user was interrupted while it worked, or its limit was up."""
        return self._stopped or self._busy or self._limit_is_up

    def _do(self, work: Callable[[Any], Result]) -> Result:
        if self._is_unusable:
            raise SessionStopped(self._source.conn_id)
        self._busy = True
        self._work.put(work)
        result, error = self._outcome()
        # A server may report success for what was stopped: MySQL does for SLEEP().
        if self._stopped:
            raise SessionStopped(self._source.conn_id)
        if error is None:
            return result  # type: ignore[no-any-return] # one queue carries the results of all kinds of work
        if isinstance(error, UnicodeEncodeError):
            raise DatabaseError(
                f"{error.object[error.start]!a} is not in the session's character set ({error.encoding});"
                " set that to UTF-8"
            )
        if not is_driver_error(error):
            raise error
        # Outside of an except clause, so that the driver's words are not shown beside ours.
        raise DatabaseError(
            self._source.redactor.redact(self._source.server.describe(error)),
            may_pass=self._source.server.may_pass(error),
            code=_code(error),
        )

    def _outcome(self) -> tuple[Any, BaseException | None]:
        """Wait for what the work gives; cancel it where its limit is up and nobody else will do that."""
        deadline = math.inf if self._own_limit is None else time.monotonic() + self._own_limit
        while (left := deadline - time.monotonic()) > 0:
            with suppress(Empty):
                return self._outcomes.get(timeout=min(left, _LISTEN_SECONDS))
        self._limit_is_up = True
        killer = threading.Thread(target=self._cancel_until_idle, name="session-limit", daemon=True)
        killer.start()
        try:
            self._outcomes.get(timeout=_KILL_SECONDS)
            ended = "was cancelled"
        except Empty:
            ended = "could not be cancelled yet"
        if self._stopped:
            raise SessionStopped(self._source.conn_id)
        raise DatabaseError(
            f"took longer than its limit of {self._own_limit:g} s, and {ended}", may_pass=True
        )

    def _serve(self) -> None:
        """Own the connection, and do one piece of work after the other with it."""
        while (work := self._work.get()) is not None:
            outcome: tuple[Any, BaseException | None]
            try:
                if self._stopped:
                    raise SessionStopped(self._source.conn_id)
                outcome = (work(self._connection), None)
            except BaseException as error:
                outcome = (None, error)
            self._busy = False
            self._outcomes.put(outcome)
            del work, outcome
        if self._connection is not None:
            _end(self._connection.rollback)
            _end(self._connection.close)

    def _connect(self) -> SessionStart:
        self._connection = self._source.connect()
        start = self._source.server.start(self._connection, self._source.limit)
        self._session_id = start.session_id
        self._own_limit = None if start.keeps_limit else self._source.limit
        return start

    def _cancel_until_idle(self) -> None:
        """Cancel again and again: a statement may be on its way when a request arrives, or requests fail."""
        said = ""
        while self._busy:
            if self._session_id is not None:
                try:
                    self._source.server.cancel(self._source.hook, self._connection, self._session_id)
                except Exception as error:
                    # Whatever is wrong, the statement must not run on; the next request may get through.
                    problem = self._source.redactor.redact(self._source.server.describe(error))
                    if problem != said:
                        _log.warning("%s: could not cancel yet: %s", self._source.conn_id, problem)
                    said = problem
            again = time.monotonic() + _CANCEL_AGAIN_SECONDS
            while self._busy and time.monotonic() < again:
                time.sleep(_IDLE_CHECK_SECONDS)


def _end(step: Callable[[], None]) -> None:
    """Take a step of ending a connection, which the server may have ended before."""
    try:
        step()
    except Exception as error:
        if not is_driver_error(error):
            raise


def _code(error: BaseException) -> int | str | None:
    first = error.args[0] if error.args else None
    code = getattr(first, "code", first)
    if isinstance(code, int):
        return code
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return state if isinstance(state, str) else None
