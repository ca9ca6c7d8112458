"""One flow with every node type, on PostgreSQL, MariaDB, OceanBase and doubles of OSS and Cloud Assistant."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dev.services import Server
from tests.doubles.ecs import CloudAssistantServer
from tests.doubles.oss import ObjectStorage
from tests.end_to_end.airflow_instance import AirflowInstance

WAREHOUSE = "every_node_type"
FLOWS = Path(__file__).parents[1] / "flows" / "end_to_end"
HOSTILE = "N'1\" $(touch gone) `id` \\ ;--"
TABLES = (
    "CREATE TABLE flights (origin text, tail_number text, delay integer, loaded_at timestamp)",
    "CREATE TABLE landed (origin text, tail_number text, delay integer)",
    "CREATE TABLE report (day date, tail_number text, delay integer)",
)
NOTED = "CREATE TABLE told (day date, told integer, worst varchar(100))"
LANDED = [("JFK", HOSTILE, 61), ("JFK", "N2", 200), ("JFK", "N3", 0), ("EWR", "N4", 300)]


def execute(server: Server, *statements: str, **options: Any) -> None:
    with closing(server.connect(**options)) as connection:
        for statement in statements:
            connection.cursor().execute(statement)
        connection.commit()


def rows(server: Server, query: str, **options: Any) -> list[tuple[object, ...]]:
    with closing(server.connect(**options)) as connection:
        cursor = connection.cursor()
        cursor.execute(query)
        return [tuple(row) for row in cursor.fetchall()]


@pytest.fixture(scope="module")
def cloud() -> Iterator[CloudAssistantServer]:
    with CloudAssistantServer() as server:
        yield server


@pytest.fixture(scope="module")
def storage() -> Iterator[ObjectStorage]:
    with ObjectStorage() as server:
        yield server


def connection_of(server: Server, database: str | None = None) -> dict[str, Any]:
    return {
        "conn_type": server.conn_type,
        "host": server.host,
        "port": server.port,
        "login": server.user,
        "password": server.password,
        "schema": database or server.database,
    }


def test_a_flow_with_every_node_type(
    waiting_airflow: AirflowInstance,
    postgres_server: Server,
    mariadb_server: Server,
    oceanbase_server: Server,
    cloud: CloudAssistantServer,
    storage: ObjectStorage,
) -> None:
    execute(postgres_server, f"CREATE DATABASE {WAREHOUSE}", autocommit=True)
    execute(postgres_server, *TABLES, dbname=WAREHOUSE)
    execute(mariadb_server, NOTED)
    execute(oceanbase_server, NOTED)
    with closing(postgres_server.connect(dbname=WAREHOUSE)) as connection:
        connection.cursor().executemany("INSERT INTO landed VALUES (%s, %s, %s)", LANDED)
        connection.commit()
    airflow = waiting_airflow
    for conn_id, given in {
        WAREHOUSE: connection_of(postgres_server, WAREHOUSE),
        "table_of_mariadb": connection_of(mariadb_server),
        "table_of_oceanbase": connection_of(oceanbase_server),
        "cloud": json.loads(cloud.connection),
        "store": storage.connection(),
    }.items():
        extra = {"extra": json.dumps(given.pop("extra", {}))}
        airflow.post("/connections", {"connection_id": conn_id, **given, **extra})
    for file in FLOWS.iterdir():
        shutil.copy(file, airflow.dags)
    airflow.wait_for(
        lambda: {"delivery", "every_node_type"} <= airflow.active_dags(), "both flows to be live"
    )

    run_id = airflow.trigger("every_node_type")

    def waits() -> bool:
        return airflow.task_states("every_node_type", run_id)["delivered"] == "deferred"

    airflow.wait_for(waits, "the flow to wait for the other")
    airflow.run("delivery")
    airflow.succeed("every_node_type", run_id)

    states = airflow.task_states("every_node_type", run_id)
    assert states.pop("praise") == "skipped"
    assert states.pop("dms__hold") == "skipped"
    assert set(states.values()) == {"success"}
    (bizdate,) = {
        str(day) for (day,) in rows(postgres_server, "SELECT DISTINCT day FROM report", dbname=WAREHOUSE)
    }
    for server in (mariadb_server, oceanbase_server):
        noted = rows(server, "SELECT CAST(day AS char), told, worst FROM told")
        assert noted == [(bizdate, 2, HOSTILE)]
    (invocation,) = cloud.invocations.values()
    printed = json.dumps(f"worst is {HOSTILE}")[1:-1]
    assert printed in airflow.task_log("every_node_type", run_id, "warn")
    assert len(invocation.executions) == 1
    quoted = HOSTILE.replace('"', '""')
    assert storage.text(f"archive/{bizdate}.csv").splitlines() == [
        "tail_number,delay",
        "N3,0",
        f'"{quoted}",61',
        "N2,200",
    ]
    reports = {key.rpartition(".")[2] for key in storage.buckets["bucket"] if key.startswith("reports/")}
    assert reports == {"html", "json"}
    quality = airflow.task_log("every_node_type", run_id, "quality")
    assert "200" in quality
    for node in ("delivered", "arrived", "sum_up", "late", "many", "warn", "quality", "archive"):
        assert "Business time" in airflow.task_log("every_node_type", run_id, node)
