"""MaxCompute as a connection of PEP 249's shape: one statement at a time, its rows streamed.

PyODPS brings a DB-API of its own, which cannot be cancelled, takes settings out of any text that looks like
``SET``, and goes on without a word where only a part of a result can be read.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from types import TracebackType
from typing import Any, Final

from dms_provider.sessions.maxcompute_text import carried, is_script

_log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
PATIENCE = 300.0
"""Seconds without an answer until a statement is given up."""
_LOGVIEW_HOURS = 72
_DEFAULT_TIME_ZONE = "Asia/Shanghai"
_TIME_ZONE: Final = "odps.sql.timezone"
_COMMENTS: Final = r"(?:\s|--[^\n]*(?:\n|\Z)|/\*(?:[^*]|\*(?!/))*\*/)*"
_VALUE: Final = r"""(?:[^;'"]|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")*"""
_SETTING: Final = re.compile(rf"{_COMMENTS}set\s+([\w.]+)\s*=({_VALUE})(?:;|\Z)", re.IGNORECASE | re.DOTALL)
_NOTHING: Final = re.compile(rf"{_COMMENTS}\Z", re.DOTALL)
_POINTS_IN_TIME: Final = ("datetime", "timestamp")


class Error(Exception):
    """MaxCompute, or the way to it, refused something."""


class OperationalError(Error):
    """The same may work later."""


class ProgrammingError(Error):
    """The statement, or what its user may do, has to change first."""


class Connection:
    """Runs statements in one project.

    :param odps: of PyODPS
    :param settings: go with every statement, as ``SET`` would set them
    :param tunnel_endpoint: where results are read; ``None`` for what the project says
    """

    def __init__(
        self, odps: Any, settings: Mapping[str, str] | None = None, tunnel_endpoint: str | None = None
    ) -> None:
        self.odps = odps
        self.settings = dict(settings or {})
        self.tunnel_endpoint = tunnel_endpoint
        self._instance_id: str | None = None
        self._is_cancelled = threading.Event()

    def cursor(self) -> Cursor:
        """Return a cursor."""
        return Cursor(self)

    def commit(self) -> None:
        """Do nothing: each statement is committed when it has succeeded."""

    def rollback(self) -> None:
        """Do nothing: there are no transactions."""

    def close(self) -> None:
        """Do nothing: each request has a connection of its own."""

    def cancel(self, odps: Any) -> None:
        """Stop the statement that runs, and any that is on its way.

        :param odps: not the one that is busy
        """
        self._is_cancelled.set()
        if self._instance_id is not None:
            self._stop(odps, self._instance_id)

    @property
    def is_cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._is_cancelled.is_set()

    def run(self, sql: str) -> Any:
        """Run one statement, or a script, to its end.

        :return: the instance; ``None`` for what only sets something, which is kept for later statements
        :raises Error: it failed, or was stopped
        """
        settings, end = _leading_settings(sql)
        if _NOTHING.match(sql, end):
            self.settings.update(settings)
            return None
        try:
            instance = self._submit(sql, {**self.settings, **settings})
            _log.info("MaxCompute instance %s: %s", instance.id, _logview(instance))
            self._wait(instance)
        except Error:
            raise
        except BaseException:
            if self._instance_id is not None:
                self._let_go(self._instance_id)
            raise
        finally:
            self._instance_id = None
        return instance

    def _submit(self, sql: str, settings: dict[str, str]) -> Any:
        if is_script(sql):
            settings.setdefault("odps.sql.submit.mode", "script")
        try:
            text = carried(sql)
        except ValueError as error:
            raise ProgrammingError(str(error)) from None
        try:
            with _options(), told():
                return self.odps.run_sql(text, hints=settings, on_instance_create=self._created)
        except Error as error:
            if self._instance_id is not None:
                raise type(error)(f"{error}{self._let_go(self._instance_id)}") from error.__cause__
            cause = error.__cause__
            if isinstance(cause, OSError) or (getattr(cause, "status_code", 0) or 0) >= 500:
                raise OperationalError(
                    f"{error}. It is not known whether the statement has reached MaxCompute: look for an"
                    f" instance of it in project {self.odps.project}"
                ) from cause
            raise

    def _created(self, instance_id: str) -> None:
        self._instance_id = instance_id

    def _wait(self, instance: Any) -> None:
        """Wait for the end of an instance; without an answer, for some minutes.

        :raises Error: it failed, was stopped, or cannot be asked any more
        """
        heard = time.monotonic()
        pause = _FIRST_PAUSE
        while True:
            try:
                with _options(), told():
                    if instance.is_terminated(retry=True):
                        break
                heard = time.monotonic()
            except Error as error:
                if isinstance(error, ProgrammingError) or time.monotonic() - heard > PATIENCE:
                    raise type(error)(f"{error}{self._let_go(instance.id)}") from error.__cause__
            if self._is_cancelled.wait(pause):
                time.sleep(_FIRST_PAUSE)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        with _options(), told():
            _raise_failure(instance)

    def _let_go(self, instance_id: str) -> str:
        try:
            with told():
                self._stop(self.odps, instance_id)
        except Error:
            return f". Instance {instance_id} may still run, and could not be stopped: stop it by hand"
        return f". Instance {instance_id} was stopped"

    @staticmethod
    def _stop(odps: Any, instance_id: str) -> None:
        from odps.errors import InvalidStateSetting

        with suppress(InvalidStateSetting):  # it has ended by itself
            odps.stop_instance(instance_id)

    def time_zone(self) -> str:
        """Return the time zone in which this session's points in time are meant."""
        if zone := self.settings.get(_TIME_ZONE):
            return zone
        project = self.odps.get_project()
        try:
            with told():
                project.reload(all_props=True)
        except ProgrammingError:  # not everybody may read a project's properties
            return _DEFAULT_TIME_ZONE
        return str((project.properties or {}).get(_TIME_ZONE) or _DEFAULT_TIME_ZONE)


class Cursor:
    """Runs one statement, and streams its rows.

    :param connection: runs it
    """

    rowcount = -1

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._instance: Any = None
        self._reader: Any = None
        self._rows: Iterator[Any] = iter(())
        self._rows_read = 0
        self._time_zone: str | None = None

    def __enter__(self) -> Cursor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def execute(self, sql: str) -> None:
        """Run one statement to its end. Its rows stay on the server.

        :raises Error: it failed
        """
        self.close()
        self._instance = self._connection.run(sql)

    @property
    def description(self) -> tuple[tuple[Any, ...], ...] | None:
        """Name and type of each column; ``None`` without a statement that has a result.

        :raises Error: the result cannot be read
        """
        if self._instance is None:
            return None
        columns = self._open().schema.columns
        return tuple((column.name, str(column.type), None, None, None, None, True) for column in columns)

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        """Read some more rows.

        :raises Error: the connection was cancelled, or the rows cannot be read to their end
        """
        if self._instance is None:
            return []
        if self._connection.is_cancelled:
            raise OperationalError("stopped while rows were read")
        reader = self._open()
        with _options(self._time_zone), told():
            rows = [tuple(record.values) for record in islice(self._rows, size)]
        self._rows_read += len(rows)
        if len(rows) < size and self._rows_read != reader.count:
            raise OperationalError(f"only {self._rows_read} of {reader.count} rows could be read")
        return rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Read all rows that are left.

        :raises Error: as :meth:`fetchmany`
        """
        rows: list[tuple[Any, ...]] = []
        while more := self.fetchmany(500):
            rows += more
        return rows

    def close(self) -> None:
        """Let go of the rows that have not been read."""
        close = getattr(self._rows, "close", None)
        if close is not None:
            close()
        self._instance = self._reader = None
        self._rows, self._rows_read = iter(()), 0

    def _open(self) -> Any:
        if self._reader is None:
            from odps.errors import NoPermission

            connection = self._connection
            try:
                with _options(), told():
                    self._reader = self._instance.open_reader(
                        tunnel=True, limit=False, endpoint=connection.tunnel_endpoint
                    )
            except ProgrammingError as error:
                if isinstance(error.__cause__, NoPermission):
                    raise ProgrammingError(
                        f"{error}. The project protects its data, and what can be read without that right may"
                        " be a part of the result only: have the right to download it granted"
                    ) from None
                raise
            self._rows = iter(self._reader)
            types = [str(column.type).lower() for column in self._reader.schema.columns]
            if any(type_.startswith(_POINTS_IN_TIME) for type_ in types):
                self._time_zone = connection.time_zone()
        return self._reader


@contextmanager
def told() -> Iterator[None]:
    """Turn the errors of PyODPS and of its HTTP client into those of this module.

    :raises Error: in their place
    """
    from odps import errors

    may_pass = (
        errors.InternalServerError,
        errors.RequestQuotaExceeded,
        errors.RequestTimeTooSkewed,
        errors.ConnectTimeout,
        errors.WaitTimeoutError,
        errors.ChecksumError,
        errors.StreamTruncatedException,
    )
    try:
        yield
    except errors.BaseODPSError as error:
        is_server = (error.status_code or 0) >= 500 or error.status_code == 429
        kind = OperationalError if isinstance(error, may_pass) or is_server else ProgrammingError
        raise kind(_message(error)) from error
    except OSError as error:  # those of the HTTP client are
        raise OperationalError(f"MaxCompute cannot be reached: {error}") from error
    except ImportError as error:
        raise ProgrammingError(f"{error}; or CAST the column to STRING in the query") from error


def _message(error: Any) -> str:
    message = str(error.args[0]).strip() or type(error).__name__
    code = str(error.code or "")
    place = f" (instance {error.instance_id})" if error.instance_id else ""
    return f"{message if code in message else f'{code}: {message}'}{place}"


def _raise_failure(instance: Any) -> None:
    from odps import errors

    status = type(instance).Task.TaskStatus
    for name, task in instance.get_task_statuses(status_only=True).items():
        if task.status == status.SUCCESS:
            continue
        if task.status == status.FAILED:
            error = errors.parse_instance_error(instance.get_task_result(name))
        else:
            error = errors.ODPSError(f"the instance was stopped: {task.status.value}")
        error.instance_id = instance.id
        raise error


@contextmanager
def _options(time_zone: str | None = None) -> Iterator[None]:
    """Let PyODPS have our options in this thread.

    :param time_zone: of points in time in a result; ``None`` where there are none
    """
    from odps.config import option_context

    with option_context() as options:
        # The value of a variable may look like SET to PyODPS, which takes settings out of texts.
        options.sql.parse_set_as_hints = False
        # A stream that ends too early is no end of the rows.
        options.tunnel.require_stream_footer = True
        options.local_timezone = time_zone
        yield


def _logview(instance: Any) -> str:
    try:
        return str(instance.get_logview_address(hours=_LOGVIEW_HOURS))
    except Exception as error:  # a link is not worth a statement, whatever is wrong with it
        return f"no Logview ({type(error).__name__})"


def _leading_settings(sql: str) -> tuple[dict[str, str], int]:
    """Return what the ``SET`` statements at the beginning set, and where they end."""
    settings: dict[str, str] = {}
    end = 0
    while found := _SETTING.match(sql, end):
        settings[found[1]] = found[2].strip()
        end = found.end()
    return settings, end
