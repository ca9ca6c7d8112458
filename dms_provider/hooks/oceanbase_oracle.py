"""A hook for OceanBase in Oracle mode: no maintained provider has one.

Source: flow-spec, *Data sources*. The driver, pyoceanbase, is imported when a connection is opened. A tenant
in Oracle mode refuses drivers for MySQL, since they do not announce that they know about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.sdk.exceptions import AirflowOptionalProviderFeatureException

from dms_provider.data_sources import DATA_SOURCES, driver_extras

if TYPE_CHECKING:
    from pyoceanbase.connections import Connection

DEFAULT_PORT: Final = 2883


class OceanBaseOracleHook(DbApiHook):
    """Connects to OceanBase in Oracle mode.

    Extras of the connection are arguments of ``pyoceanbase.connect``.
    """

    conn_name_attr = "oceanbase_oracle_conn_id"
    default_conn_name = "oceanbase_oracle_default"
    conn_type = "oceanbase_oracle"
    hook_name = DATA_SOURCES["oceanbase_oracle"].label
    supports_autocommit = True
    _test_connection_sql = "SELECT 1 FROM DUAL"

    def get_conn(self) -> Connection:
        """Open a connection.

        :raises AirflowOptionalProviderFeatureException: the driver is not installed
        """
        try:
            import pyoceanbase
        except ImportError as error:
            to_install = DATA_SOURCES[self.conn_type].to_install
            raise AirflowOptionalProviderFeatureException(f"{error}; {to_install}") from error
        record = self.connection
        arguments: dict[str, Any] = {
            "user": record.login or "",
            "password": record.password or "",
            "host": record.host or "localhost",
            "port": record.port or DEFAULT_PORT,
            "charset": "utf8mb4",
        }
        if record.schema:
            arguments["database"] = record.schema
        return pyoceanbase.connect(**{**arguments, **driver_extras(record)})

    def set_autocommit(self, conn: Connection, autocommit: bool) -> None:
        """Tell the server whether each statement is committed by itself."""
        conn.autocommit(autocommit)

    def get_autocommit(self, conn: Connection) -> bool:
        """Return whether each statement is committed by itself."""
        return bool(conn.get_autocommit())
