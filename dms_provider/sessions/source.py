"""A data source as an Airflow connection describes it: who may use it, its hook and its limits.

Source: flow-spec, *Data sources*. The extras ``lock_free``, ``statement_timeout`` and ``allowed_owners`` are
ours: they are read by name here, and the hook never sees them.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any

from dms_provider.data_sources import DATA_SOURCES, driver_extras
from dms_provider.sessions.redaction import Redactor
from dms_provider.sessions.server import Server, is_driver_error
from dms_provider.sessions.table import UnknownSource, server

_CURSOR_EXTRAS = frozenset({"cursor"})


class SourceError(RuntimeError):
    """A connection cannot be used as it is. The message says what to change."""


class ConnectionNotGiven(SourceError):
    """Airflow gives no such connection. That is what it also says while its own database is out of reach."""


@dataclass(frozen=True, slots=True)
class Source:
    """A data source that a node may use.

    :param conn_id: of the Airflow connection
    :param conn_type: names the dialect
    :param server: what is at the other end
    :param hook: opens connections
    :param limit: seconds that one statement may take; ``None`` where nobody set a limit
    :param lock_free: tables are changed while others work with them, or not at all
    :param redactor: knows the connection's password
    """

    conn_id: str
    conn_type: str
    server: Server
    hook: Any
    limit: float | None
    redactor: Redactor
    lock_free: bool = False

    def connect(self) -> Any:
        """Open a connection of the driver.

        :raises SourceError: the driver is not installed
        """
        from airflow.sdk.exceptions import AirflowOptionalProviderFeatureException

        try:
            return self.hook.get_conn()
        except Exception as error:
            missing = None if is_driver_error(error) else _import_error(error)
            if missing is None and not isinstance(error, AirflowOptionalProviderFeatureException):
                raise
            reason = missing or error
        raise SourceError(
            f"connection {self.conn_id}: the driver for {self.conn_type} cannot be loaded ({reason});"
            f" {DATA_SOURCES[self.conn_type].to_install}"
        )


@dataclass(frozen=True, slots=True)
class FoundSource:
    """A data source that a node may use, as far as its connection's record tells.

    :param connection: Airflow's
    :param conn_type: names the dialect
    :param server: what is at the other end
    :param limit: seconds that one statement may take; ``None`` where nobody set a limit
    :param lock_free: tables are changed while others work with them, or not at all
    """

    connection: Any
    conn_type: str
    server: Server
    limit: float | None
    lock_free: bool = False


def find_connection(conn_id: str, *, owner: str) -> Any:
    """Read the record of an Airflow connection of any type.

    :param owner: of the flow that is to use it
    :raises SourceError: there is no such connection, or the owner may not use it
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise ConnectionNotGiven(f"connection {conn_id} does not exist; create it, or name another") from None
    _refuse_other_owners(conn_id, connection.extra_dejson.get("allowed_owners"), owner)
    return connection


def find_source(conn_id: str, *, owner: str, timeout: timedelta | None) -> FoundSource:
    """Read an Airflow connection's record, and nothing else: no driver is loaded.

    :param owner: of the flow
    :param timeout: of the node; no statement may go on for longer, even when its worker has died
    :raises SourceError: there is no such connection, the owner may not use it, or it cannot be used
    """
    connection = find_connection(conn_id, owner=owner)
    extra = connection.extra_dejson
    limits = [_seconds(conn_id, extra.get("statement_timeout")), timeout and timeout.total_seconds()]
    conn_type = connection.conn_type or ""
    try:
        kind = server(conn_type)
    except UnknownSource as unknown:
        raise SourceError(f"connection {conn_id}: {unknown}") from None
    return FoundSource(
        connection,
        conn_type,
        kind,
        min((limit for limit in limits if limit), default=None),
        _lock_free(conn_id, conn_type, extra.get("lock_free")),
    )


def open_source(conn_id: str, *, owner: str, timeout: timedelta | None) -> Source:
    """Read an Airflow connection. Nothing is sent to the data source yet.

    :param owner: of the flow
    :param timeout: of the node; no statement may go on for longer, even when its worker has died
    :raises SourceError: there is no such connection, the owner may not use it, or it cannot be used
    """
    found = find_source(conn_id, owner=owner, timeout=timeout)
    return Source(
        conn_id=conn_id,
        conn_type=found.conn_type,
        server=found.server,
        hook=_hook(found.connection),
        limit=found.limit,
        redactor=Redactor([found.connection.password]),
        lock_free=found.lock_free,
    )


def _hook(connection: Any) -> Any:
    """Return the hook, for a copy of the connection with the extras that are the driver's, and given."""
    from airflow.sdk.exceptions import AirflowException

    data_source = DATA_SOURCES[connection.conn_type]
    module, _, name = data_source.hook.rpartition(".")
    plain = copy.copy(connection)
    extra = {key: value for key, value in driver_extras(connection).items() if key not in _CURSOR_EXTRAS}
    plain.extra = json.dumps(extra) if extra else None
    try:
        hook_class = getattr(import_module(module), name)
        hook = hook_class(**{hook_class.conn_name_attr: connection.conn_id, "connection": plain})
    except (ImportError, AirflowException) as error:
        raise SourceError(
            f"connection {connection.conn_id}: the hook for {connection.conn_type} cannot be loaded"
            f" ({error}); {data_source.to_install}"
        ) from error
    # Some hooks ask Airflow for the connection again, in whatever thread they are used.
    hook.get_connection = lambda conn_id: plain
    return hook


def _import_error(error: BaseException | None) -> ImportError | None:
    """Return the failed import behind an error: some hooks raise one of their own then."""
    while error is not None and not isinstance(error, ImportError):
        error = error.__cause__ or error.__context__
    return error


def _refuse_other_owners(conn_id: str, allowed: Any, owner: str) -> None:
    if allowed is None:
        return
    names = allowed.split(",") if isinstance(allowed, str) else allowed
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SourceError(
            f"connection {conn_id}: extra allowed_owners must be a list of user names, or names with commas"
            " between"
        )
    allowed_owners = [name.strip() for name in names if name.strip()]
    if owner not in allowed_owners:
        raise SourceError(
            f"connection {conn_id} may not be used by flows of {owner}; add the name to the connection's"
            " extra allowed_owners, or use another connection"
        )


def _lock_free(conn_id: str, conn_type: str, value: Any) -> bool:
    if value in (None, "", "off"):
        return False
    if value != "auto":
        raise SourceError(f"connection {conn_id}: extra lock_free must be off or auto, not {value!r}")
    if not DATA_SOURCES[conn_type].lock_free:
        able = ", ".join(name for name, source in DATA_SOURCES.items() if source.lock_free)
        raise SourceError(
            f"connection {conn_id}: extra lock_free is auto, but no lock-free schema change is known for"
            f" connection type {conn_type} (only for {able}); remove the extra, or set it to off"
        )
    return True


def _seconds(conn_id: str, value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if isinstance(value, (bool, Mapping)) or not 0 < seconds < math.inf:
        raise SourceError(
            f"connection {conn_id}: extra statement_timeout must be a number of seconds above 0,"
            f" not {value!r}"
        )
    return seconds
