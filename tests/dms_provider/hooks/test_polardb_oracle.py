"""PolarDB compatible with Oracle: PostgreSQL with the extension orafce stands in for it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from dev.services import Server
from dms_provider.operators.base import SpecText
from dms_provider.operators.outputs import Output
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.operators.sql_assignment import SQLAssignmentOperator
from dms_provider.variables.values import Data
from tests.dms_provider.operators.running import run

DATABASE = "dms_polardb_oracle"


@pytest.fixture(scope="module")
def database(postgres_server: Server) -> Iterator[str]:
    """A database with orafce."""
    with postgres_server.connect(autocommit=True) as connection:
        known = "SELECT 1 FROM pg_available_extensions WHERE name = 'orafce'"
        if connection.execute(known).fetchone() is None:
            version = postgres_server.version.split(".")[0]
            pytest.skip(f"NO ORAFCE: apt-get install postgresql-{version}-orafce")
        connection.execute(f"CREATE DATABASE {DATABASE}")
    try:
        with postgres_server.connect(dbname=DATABASE, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION orafce")
        yield DATABASE
    finally:
        with postgres_server.connect(autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@pytest.fixture(autouse=True)
def source(database: str, postgres_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection ``source`` whose sessions find Oracle's functions first, as PolarDB's do."""
    connection = {
        "conn_type": "polardb_oracle",
        "host": postgres_server.host,
        "port": postgres_server.port,
        "login": postgres_server.user,
        "password": postgres_server.password,
        "schema": database,
        "extra": {"options": "-c search_path=oracle,public,pg_catalog", "allowed_owners": "alice"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps(connection))


def assign(sql: str, **more: object) -> tuple[str | None, ...]:
    operator = SQLAssignmentOperator(
        task_id="node",
        conn_id="source",
        owner="alice",
        sql=SpecText(sql),
        outputs={"x": Output(0, "all", "|")},
        inputs={"data": "above"},
    )
    return run(operator, {"above": {"data": Data(("it's \\ ''",))}}).outputs["x"].elements


def test_functions_of_oracle() -> None:
    elements = assign(
        "SELECT nvl(CAST(NULL AS text), '${data}'), decode(2, 1, 'one', 2, 'two'), substr('abcdef', -2), "
        "to_char(trunc(sysdate()), 'HH24:MI'), add_months(to_date('2013-01-31', 'YYYY-MM-DD'), 1), dummy "
        "FROM dual"
    )
    assert elements == ("it's \\ ''", "two", "ef", "00:00", "2013-02-28 00:00:00", "X")


def test_blocks_and_routines() -> None:
    script = """
        CREATE TABLE booked (day date, seats int);
        CREATE FUNCTION seats_of(what date) RETURNS int AS $$
        DECLARE found int;
        BEGIN
          SELECT nvl(sum(seats), 0) INTO found FROM booked WHERE day = what;
          RETURN found;
        END;
        $$ LANGUAGE plpgsql;
        DO $$
        BEGIN
          FOR i IN 1..3 LOOP
            INSERT INTO booked VALUES (to_date('2013-07-10', 'YYYY-MM-DD'), i);
          END LOOP;
        END;
        $$;
    """
    run(SingleInstanceSQLOperator(task_id="node", conn_id="source", owner="alice", sql=SpecText(script)))
    assert assign("SELECT seats_of(date '2013-07-10'), seats_of(date '2013-07-11') FROM dual") == ("6", "0")
