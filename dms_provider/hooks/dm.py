"""A hook for DM (Dameng): no maintained provider has one.

Source: flow-spec, *Data sources*. The driver, dmPython, is imported when a connection is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.sdk.exceptions import AirflowOptionalProviderFeatureException

from dms_provider.data_sources import DATA_SOURCES, driver_extras

if TYPE_CHECKING:
    from dmPython import Connection

DEFAULT_PORT: Final = 5236


class DMHook(DbApiHook):
    """Connects to DM. Extras of the connection are arguments of ``dmPython.connect``."""

    conn_name_attr = "dm_conn_id"
    default_conn_name = "dm_default"
    conn_type = "dm"
    hook_name = DATA_SOURCES["dm"].label
    supports_autocommit = True
    _placeholder = "?"
    _test_connection_sql = "SELECT 1 FROM DUAL"

    def get_conn(self) -> Connection:
        """Open a connection.

        :raises AirflowOptionalProviderFeatureException: the driver is not installed
        """
        try:
            import dmPython
        except ImportError as error:
            to_install = DATA_SOURCES[self.conn_type].to_install
            raise AirflowOptionalProviderFeatureException(f"{error}; {to_install}") from error
        record = self.connection
        arguments: dict[str, Any] = {
            "user": record.login or "",
            "password": record.password or "",
            "server": record.host or "localhost",
            "port": record.port or DEFAULT_PORT,
        }
        if record.schema:
            arguments["schema"] = record.schema
        return dmPython.connect(**{**arguments, **driver_extras(record)})

    def set_autocommit(self, conn: Connection, autocommit: bool) -> None:
        """Tell the driver whether each statement is committed by itself."""
        conn.autoCommit = autocommit

    def get_autocommit(self, conn: Connection) -> bool:
        """Return whether each statement is committed by itself."""
        return bool(conn.autoCommit)
