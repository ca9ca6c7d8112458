"""Hooks of the sources that speak PostgreSQL's protocol: Airflow's own, under the name of each source.

Source: flow-spec, *Data sources*. The driver is that of Airflow's PostgreSQL hook, psycopg.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dms_provider.data_sources import DATA_SOURCES, OWN_EXTRAS
from dms_provider.hooks.missing import missing_hook

if TYPE_CHECKING:
    from airflow.providers.postgres.hooks.postgres import PostgresHook
else:
    try:
        from airflow.providers.postgres.hooks.postgres import PostgresHook
    except ImportError as error:
        PostgresHook = missing_hook("postgres", error)

# Airflow's hook gives every other extra to the driver, which refuses what it does not know.
_NOT_FOR_THE_DRIVER = PostgresHook.ignored_extra_options | OWN_EXTRAS


class PolarDBOracleHook(PostgresHook):
    """PolarDB for PostgreSQL, compatible with Oracle."""

    conn_name_attr = "polardb_oracle_conn_id"
    default_conn_name = "polardb_oracle_default"
    conn_type = "polardb_oracle"
    hook_name = DATA_SOURCES["polardb_oracle"].label
    ignored_extra_options = _NOT_FOR_THE_DRIVER


class AnalyticDBPostgresHook(PostgresHook):
    """AnalyticDB for PostgreSQL."""

    conn_name_attr = "analyticdb_postgres_conn_id"
    default_conn_name = "analyticdb_postgres_default"
    conn_type = "analyticdb_postgres"
    hook_name = DATA_SOURCES["analyticdb_postgres"].label
    ignored_extra_options = _NOT_FOR_THE_DRIVER


class HologresHook(PostgresHook):
    """Hologres."""

    conn_name_attr = "hologres_conn_id"
    default_conn_name = "hologres_default"
    conn_type = "hologres"
    hook_name = DATA_SOURCES["hologres"].label
    ignored_extra_options = _NOT_FOR_THE_DRIVER
