"""The table of data sources: each row leads to things that are there and fit together."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any

import pytest

from dms_provider.connection_forms import FORMS, connection_types
from dms_provider.data_sources import DATA_SOURCES, OWN_EXTRAS
from dms_provider.dialects import Dialect, UnknownDialect, all_dialects, dialect
from dms_provider.sessions.server import Server
from dms_provider.sessions.table import UnknownSource, server
from tests.extras import extras_of_the_package

SQL = [conn_type for conn_type, source in DATA_SOURCES.items() if source.dialect]
OWN = [conn_type for conn_type, source in DATA_SOURCES.items() if source.form]


def test_every_connection_type_of_the_spec_has_a_row() -> None:
    assert set(DATA_SOURCES) == {
        *("mysql", "polardbx", "analyticdb_mysql", "dla", "lindorm", "oceanbase"),
        *("postgres", "polardb_oracle", "analyticdb_postgres", "hologres"),
        *("mssql", "oracle", "ibmdb2", "oceanbase_oracle", "dm", "maxcompute", "sqlite"),
        *("oss", "alibaba_cloud"),
    }


@pytest.mark.parametrize("conn_type", SQL)
def test_a_database_has_its_dialect_and_its_server(conn_type: str) -> None:
    assert isinstance(dialect(conn_type), Dialect)
    source = DATA_SOURCES[conn_type]
    if source.server is None:
        with pytest.raises(
            UnknownSource, match=f"'{conn_type}' cannot run SQL here; known types are mysql, "
        ):
            server(conn_type)
    else:
        made = server(conn_type)
        assert isinstance(made, Server)
        assert type(made).__module__ == f"dms_provider.sessions.{source.server.split(':')[0]}"
        assert {name: getattr(made, name) for name in source.server_options} == source.server_options


@pytest.mark.parametrize("conn_type", ["http", "oss"])
def test_what_is_no_database(conn_type: str) -> None:
    with pytest.raises(UnknownDialect):
        dialect(conn_type)
    with pytest.raises(UnknownSource):
        server(conn_type)


def test_each_dialect_is_there_once_the_most_usual_first() -> None:
    names = [found.name for found in all_dialects()]
    assert names[:3] == ["MySQL", "PostgreSQL", "SQLite"]
    assert sorted(names) == sorted({dialect(conn_type).name for conn_type in SQL})


@pytest.mark.parametrize(
    "conn_type", [name for name in DATA_SOURCES if DATA_SOURCES[name].server or name in OWN]
)
def test_a_hook_is_of_its_connection_type(conn_type: str) -> None:
    if conn_type == "ibmdb2":
        pytest.importorskip("ibm_db", reason="Airflow's provider of Db2 needs Python 3.11")
    module, _, name = DATA_SOURCES[conn_type].hook.rpartition(".")
    hook = resolve_name(f"{module}:{name}")
    assert hook.conn_type == conn_type


@pytest.mark.parametrize("conn_type", OWN)
def test_an_own_hook_is_called_as_the_table_says(conn_type: str) -> None:
    module, _, name = DATA_SOURCES[conn_type].hook.rpartition(".")
    hook = resolve_name(f"{module}:{name}")
    assert hook.hook_name == DATA_SOURCES[conn_type].label
    assert hook.conn_name_attr == f"{conn_type}_conn_id"
    assert hook.default_conn_name == f"{conn_type}_default"


@pytest.mark.parametrize("entry", connection_types(), ids=lambda entry: str(entry["connection-type"]))
def test_a_form_asks_for_the_extras_that_nodes_read(entry: dict[str, Any]) -> None:
    source = DATA_SOURCES[entry["connection-type"]]
    wanted = {"allowed_owners"}
    if source.server:
        wanted.add("statement_timeout")
    if source.lock_free:
        wanted.add("lock_free")
    assert OWN_EXTRAS & set(entry["conn-fields"]) == wanted
    shown = {"description", "host", "schema", "login", "password", "port", "extra"}
    assert set(entry["ui-field-behaviour"]["placeholders"]) <= shown, "Airflow shows no other placeholders"


def test_every_form_is_of_a_row() -> None:
    assert {source.form for source in DATA_SOURCES.values() if source.form} == set(FORMS)


def test_there_is_an_extra_of_the_package_for_each_row() -> None:
    extras = extras_of_the_package()
    assert {source.extra for source in DATA_SOURCES.values()} == set(extras) - {"all"}
    # pip before 23.3 looks for an extra as it is written; in the metadata of a wheel it has hyphens.
    assert not any("_" in extra for extra in extras)
    (everything,) = extras["all"]
    assert sorted(everything.split("[")[1].rstrip("]").split(",")) == sorted(set(extras) - {"all"})
