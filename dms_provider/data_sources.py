"""The one table of data sources: what belongs to each connection type of Airflow.

Source: flow-spec, *Data sources*. Plain data: importing it loads no hook, no driver and no dialect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

OWN_EXTRAS: Final = frozenset({"lock_free", "statement_timeout", "allowed_owners"})
"""Extras of a connection that nodes read by name, and that no driver sees."""


def driver_extras(connection: Any) -> dict[str, Any]:
    """Return the extras of an Airflow connection that its driver sees.

    A form leaves null where nothing was entered.

    :param connection: Airflow's
    """
    extras = connection.extra_dejson
    return {key: value for key, value in extras.items() if value is not None and key not in OWN_EXTRAS}


@dataclass(frozen=True, slots=True)
class DataSource:
    """One connection type. What it names is imported when a connection of the type is first used.

    :param label: what people call it
    :param hook: path of the hook's class, Airflow's own or one of :mod:`dms_provider.hooks`
    :param extra: of this package, which installs the driver: ``pip install 'airflow-provider-dms[EXTRA]'``.
        It has hyphens: older versions of pip do not know it otherwise
    :param dialect: ``module:name`` in :mod:`dms_provider.dialects`; ``None`` for what is no SQL database
    :param server: ``module:class`` in :mod:`dms_provider.sessions`; ``None`` where no node can run SQL
    :param server_options: arguments of that class
    :param lock_free: ``module:class`` in :mod:`dms_provider.schema_change`; ``None`` where tables are not
        changed lock-free
    :param form: key of :data:`dms_provider.connection_forms.FORMS`; ``None`` where the connection type and
        its form are another provider's
    """

    label: str
    hook: str
    extra: str
    dialect: str | None = None
    server: str | None = None
    server_options: Mapping[str, bool] = field(default_factory=dict)
    lock_free: str | None = None
    form: str | None = None

    @property
    def to_install(self) -> str:
        """The command that installs the driver, for messages."""
        return f"pip install 'airflow-provider-dms[{self.extra}]'"


_MYSQL: Final = "mysql:MYSQL"
_MYSQL_SERVER: Final = "mysql:MySQLServer"
_POSTGRES: Final = "postgres:POSTGRES"
_POSTGRES_SERVER: Final = "postgres:PostgresServer"
_NO_TRANSACTIONS: Final = MappingProxyType({"transactions": False})
_NOT_EVEN_READING: Final = MappingProxyType({"transactions": False, "read_only_transactions": False})

DATA_SOURCES: Final[Mapping[str, DataSource]] = MappingProxyType(
    {
        "mysql": DataSource(
            "MySQL, MariaDB, PolarDB for MySQL",
            hook="airflow.providers.mysql.hooks.mysql.MySqlHook",
            extra="mysql",
            dialect=_MYSQL,
            server=_MYSQL_SERVER,
            lock_free="mysql:MySQLLockFree",
        ),
        "polardbx": DataSource(
            "PolarDB-X",
            hook="dms_provider.hooks.mysql.PolarDBXHook",
            extra="mysql",
            dialect=_MYSQL,
            server=_MYSQL_SERVER,
            form="mysql",
        ),
        "oceanbase": DataSource(
            "OceanBase (MySQL mode)",
            hook="dms_provider.hooks.mysql.OceanBaseHook",
            extra="mysql",
            dialect=_MYSQL,
            server=_MYSQL_SERVER,
            form="oceanbase",
        ),
        "analyticdb_mysql": DataSource(
            "AnalyticDB for MySQL",
            hook="dms_provider.hooks.mysql.AnalyticDBMySQLHook",
            extra="mysql",
            dialect=_MYSQL,
            server=_MYSQL_SERVER,
            server_options=_NOT_EVEN_READING,
            form="mysql",
        ),
        "dla": DataSource(
            "Data Lake Analytics",
            hook="dms_provider.hooks.mysql.DLAHook",
            extra="mysql",
            dialect=_MYSQL,
            server=_MYSQL_SERVER,
            server_options=_NOT_EVEN_READING,
            form="mysql",
        ),
        "lindorm": DataSource(
            "Lindorm",
            hook="dms_provider.hooks.mysql.LindormHook",
            extra="mysql",
            dialect=_MYSQL,
            server=_MYSQL_SERVER,
            server_options=_NOT_EVEN_READING,
            form="mysql",
        ),
        "postgres": DataSource(
            "PostgreSQL, PolarDB for PostgreSQL",
            hook="airflow.providers.postgres.hooks.postgres.PostgresHook",
            extra="postgres",
            dialect=_POSTGRES,
            server=_POSTGRES_SERVER,
            lock_free="postgres:PostgresLockFree",
        ),
        "polardb_oracle": DataSource(
            "PolarDB (Oracle-compatible)",
            hook="dms_provider.hooks.postgres.PolarDBOracleHook",
            extra="postgres",
            dialect=_POSTGRES,
            server=_POSTGRES_SERVER,
            lock_free="postgres:PostgresLockFree",
            form="postgres",
        ),
        "analyticdb_postgres": DataSource(
            "AnalyticDB for PostgreSQL",
            hook="dms_provider.hooks.postgres.AnalyticDBPostgresHook",
            extra="postgres",
            dialect=_POSTGRES,
            server=_POSTGRES_SERVER,
            form="postgres",
        ),
        "hologres": DataSource(
            "Hologres",
            hook="dms_provider.hooks.postgres.HologresHook",
            extra="postgres",
            dialect="postgres:HOLOGRES",
            server=_POSTGRES_SERVER,
            server_options=_NO_TRANSACTIONS,
            form="postgres",
        ),
        "sqlite": DataSource(
            "SQLite",
            hook="airflow.providers.sqlite.hooks.sqlite.SqliteHook",
            extra="sqlite",
            dialect="sqlite:SQLITE",
            server="sqlite:SQLiteServer",
        ),
        "mssql": DataSource(
            "SQL Server",
            hook="airflow.providers.microsoft.mssql.hooks.mssql.MsSqlHook",
            extra="mssql",
            dialect="mssql:MSSQL",
            server="mssql:MSSQLServer",
        ),
        "oracle": DataSource(
            "Oracle",
            hook="airflow.providers.oracle.hooks.oracle.OracleHook",
            extra="oracle",
            dialect="oracle:ORACLE",
            server="oracle:OracleServer",
        ),
        "oceanbase_oracle": DataSource(
            "OceanBase (Oracle mode)",
            hook="dms_provider.hooks.oceanbase_oracle.OceanBaseOracleHook",
            extra="oceanbase-oracle",
            dialect="oracle:ORACLE",
            server="oceanbase_oracle:OceanBaseOracleServer",
            form="oceanbase_oracle",
        ),
        "dm": DataSource(
            "DM",
            hook="dms_provider.hooks.dm.DMHook",
            extra="dm",
            dialect="oracle:DM",
            server="dm:DMServer",
            form="dm",
        ),
        "ibmdb2": DataSource(
            "Db2",
            hook="airflow.providers.ibm.db2.hooks.db2.Db2Hook",
            extra="ibmdb2",
            dialect="db2:DB2",
            server="db2:Db2Server",
        ),
        "maxcompute": DataSource(
            "MaxCompute",
            hook="dms_provider.hooks.maxcompute.MaxComputeHook",
            extra="maxcompute",
            dialect="maxcompute:MAXCOMPUTE",
            server="maxcompute:MaxComputeServer",
            server_options=_NOT_EVEN_READING,
            form="maxcompute",
        ),
        "oss": DataSource(
            "Alibaba Cloud OSS", hook="dms_provider.hooks.oss.OSSHook", extra="oss", form="oss"
        ),
        "alibaba_cloud": DataSource(
            "Alibaba Cloud",
            hook="dms_provider.hooks.alibaba_cloud.AlibabaCloudHook",
            extra="alibaba-cloud",
            form="alibaba_cloud",
        ),
    }
)
"""Connection type -> data source; the most usual dialects come first."""
