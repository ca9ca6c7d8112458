"""Hooks of the sources that speak MySQL's protocol: Airflow's own, under the name of each source.

Source: flow-spec, *Data sources*. The driver is mysqlclient, or with the extra
``client: mysql-connector-python`` the one of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dms_provider.data_sources import DATA_SOURCES
from dms_provider.hooks.missing import missing_hook

if TYPE_CHECKING:
    from airflow.providers.mysql.hooks.mysql import MySqlHook
else:
    try:
        from airflow.providers.mysql.hooks.mysql import MySqlHook
    except ImportError as error:
        MySqlHook = missing_hook("mysql", error)


class PolarDBXHook(MySqlHook):
    """PolarDB-X."""

    conn_name_attr = "polardbx_conn_id"
    default_conn_name = "polardbx_default"
    conn_type = "polardbx"
    hook_name = DATA_SOURCES["polardbx"].label


class OceanBaseHook(MySqlHook):
    """OceanBase in MySQL mode. The user's name is ``USER@TENANT#CLUSTER``."""

    conn_name_attr = "oceanbase_conn_id"
    default_conn_name = "oceanbase_default"
    conn_type = "oceanbase"
    hook_name = DATA_SOURCES["oceanbase"].label


class AnalyticDBMySQLHook(MySqlHook):
    """AnalyticDB for MySQL."""

    conn_name_attr = "analyticdb_mysql_conn_id"
    default_conn_name = "analyticdb_mysql_default"
    conn_type = "analyticdb_mysql"
    hook_name = DATA_SOURCES["analyticdb_mysql"].label


class DLAHook(MySqlHook):
    """Data Lake Analytics."""

    conn_name_attr = "dla_conn_id"
    default_conn_name = "dla_default"
    conn_type = "dla"
    hook_name = DATA_SOURCES["dla"].label


class LindormHook(MySqlHook):
    """Lindorm, through its MySQL-compatible entrance."""

    conn_name_attr = "lindorm_conn_id"
    default_conn_name = "lindorm_default"
    conn_type = "lindorm"
    hook_name = DATA_SOURCES["lindorm"].label
