"""MaxCompute through PyODPS, which is imported when a connection is used.

Source: flow-spec, *Data sources* (``maxcompute``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from dms_provider.data_sources import DATA_SOURCES
from dms_provider.sessions.source import SourceError

if TYPE_CHECKING:
    from dms_provider.sessions.maxcompute_connection import Connection


class MaxComputeHook(BaseHook):
    """Reaches one project over a connection of type ``maxcompute``.

    The connection's login and password are the id and the secret of an access key, its host is the endpoint
    and its schema the project.

    :param maxcompute_conn_id: Airflow connection
    :param connection: that connection, where it has been read already
    """

    conn_name_attr = "maxcompute_conn_id"
    default_conn_name = "maxcompute_default"
    conn_type = "maxcompute"
    hook_name = DATA_SOURCES["maxcompute"].label

    def __init__(self, maxcompute_conn_id: str = default_conn_name, *, connection: Any = None) -> None:
        super().__init__()
        self.maxcompute_conn_id = maxcompute_conn_id
        self._connection = connection

    def get_odps(self) -> Any:
        """Return a new ``odps.ODPS``; nothing is asked of the service yet.

        :raises SourceError: the connection is not complete
        """
        connection = self._record()
        extra = connection.extra_dejson
        given = {
            "login (access key id)": connection.login,
            "password (access key secret)": connection.password,
            "host (endpoint)": connection.host,
            "schema (project)": connection.schema,
        }
        if missing := [name for name, value in given.items() if not value]:
            raise SourceError(f"connection {self.maxcompute_conn_id} has no {', no '.join(missing)}")
        try:
            from odps import ODPS
        except ImportError as error:
            raise SourceError(
                f"connection {self.maxcompute_conn_id}: the driver cannot be loaded ({error});"
                f" {DATA_SOURCES[self.conn_type].to_install}"
            ) from None
        return ODPS(
            access_id=connection.login,
            secret_access_key=connection.password,
            project=connection.schema,
            endpoint=_endpoint(connection),
            tunnel_endpoint=extra.get("tunnel_endpoint") or None,
            region_name=extra.get("region") or None,
            quota_name=extra.get("quota") or None,
        )

    def get_conn(self) -> Connection:
        """Return a connection of PEP 249's shape.

        :raises SourceError: the connection is not complete, or its hints are no names with values
        """
        from dms_provider.sessions.maxcompute_connection import Connection

        extra = self._record().extra_dejson
        return Connection(
            self.get_odps(), self._hints(extra.get("hints")), extra.get("tunnel_endpoint") or None
        )

    def test_connection(self) -> tuple[bool, str]:
        """Read the project's record, which takes a right access key and endpoint."""
        from dms_provider.sessions.maxcompute_connection import Error, told

        try:
            odps = self.get_odps()
            with told():
                odps.get_project().reload()
        except (Error, SourceError, ImportError) as error:
            return False, str(error)
        return True, "Connection successfully tested"

    def _record(self) -> Any:
        if self._connection is None:
            self._connection = self.get_connection(self.maxcompute_conn_id)
        return self._connection

    def _hints(self, hints: Any) -> dict[str, str]:
        if not hints:
            return {}
        if not isinstance(hints, Mapping):
            raise SourceError(
                f"connection {self.maxcompute_conn_id}: extra hints must be an object of names and values,"
                f" not {hints!r}"
            )
        return {str(name): _setting(value) for name, value in hints.items()}


def _setting(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _endpoint(connection: Any) -> str:
    host = str(connection.host).rstrip("/")
    if "://" in host:
        return host
    port = f":{connection.port}" if connection.port else ""
    return f"https://{host}{port}/api"
