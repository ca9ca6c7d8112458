"""Nodes that wait for a row, in a real triggerer, on a real PostgreSQL and a real MariaDB."""

from __future__ import annotations

from functools import partial

from tests.dms_provider.databases import Database, wait_until
from tests.end_to_end.airflow_instance import AirflowInstance

SLOW = {
    "postgres": "SELECT count(*) FROM (SELECT generate_series(n, 1000000000000)) AS numbers",
    "mariadb": "SELECT count(*) FROM seq_1_to_100000000 a JOIN seq_1_to_100000000 b ON a.seq < b.seq * 2 + n",
}
"""Goes on for hours, but only where there is a row."""


def execute(database: Database, *statements: str) -> None:
    assert database.server is not None
    connection = database.server.connect()
    try:
        for statement in statements:
            connection.cursor().execute(statement)
        connection.commit()
    finally:
        connection.close()


def flow(conn_id: str, table: str, *more: str) -> str:
    lines = [
        "type: table_time_check",
        f"database: {conn_id}",
        f"table: {table}",
        "time_column: loaded_at",
        "since: ${bizdate} 00:00:00",
        "interval: 1s",
        *more,
    ]
    return "version: 1\nowner: alice\nnodes:\n  wait:\n" + "".join(f"    {line}\n" for line in lines)


def waits(airflow: AirflowInstance, flow_id: str, run_id: str) -> bool:
    """Return whether the node waits without a worker."""
    state = airflow.task_states(flow_id, run_id).get("wait")
    assert state not in ("success", "failed"), airflow.task_log(flow_id, run_id, "wait")
    return state == "deferred"


def test_nodes_that_wait_in_the_triggerer(
    waiting_airflow: AirflowInstance, databases: dict[str, Database]
) -> None:
    airflow = waiting_airflow
    flows: dict[str, str] = {}
    for kind, database in databases.items():
        for flow_id in (f"arrives_{kind}", f"late_{kind}", f"stopped_{kind}"):
            execute(
                database,
                f"DROP TABLE IF EXISTS {flow_id}",
                f"CREATE TABLE {flow_id} (loaded_at timestamp NULL, n integer)",
            )
        flows[f"arrives_{kind}"] = flow(kind, f"arrives_{kind}")
        flows[f"late_{kind}"] = flow(kind, f"late_{kind}", "timeout: 40s")
        flows[f"stopped_{kind}"] = flow(kind, f"stopped_{kind}", f"where: ({SLOW[kind]}) > 0")
    for flow_id, text in flows.items():
        (airflow.dags / f"{flow_id}.flow.yaml").write_text(text, encoding="utf-8")
    airflow.wait_for(lambda: flows.keys() <= airflow.active_dags(), "all flows to be active")
    runs = {flow_id: airflow.trigger(flow_id) for flow_id in flows}

    for flow_id in (f"{what}_{kind}" for what in ("arrives", "stopped") for kind in databases):
        airflow.wait_for(partial(waits, airflow, flow_id, runs[flow_id]), f"{flow_id} to wait")
    for kind, database in databases.items():
        execute(database, f"INSERT INTO arrives_{kind} VALUES (now(), 1)")
        airflow.succeed(f"arrives_{kind}", runs[f"arrives_{kind}"])
        assert "Found a row of arrives_" in airflow.task_log(
            f"arrives_{kind}", runs[f"arrives_{kind}"], "wait"
        )
    for kind in databases:
        assert airflow.wait_for_run(f"late_{kind}", runs[f"late_{kind}"]) == "failed"
        log = airflow.task_log(f"late_{kind}", runs[f"late_{kind}"], "wait")
        assert "did not come in time" in log, log
    for kind, database in databases.items():
        flow_id, run_id = f"stopped_{kind}", runs[f"stopped_{kind}"]
        execute(database, f"INSERT INTO {flow_id} VALUES (now(), 1000000)")
        airflow.wait_for(partial(looks, database), f"a look of {flow_id}")
        airflow.patch(f"/dags/{flow_id}/dagRuns/{run_id}/taskInstances/wait", {"new_state": "failed"})
        wait_until(lambda database=database: not looks(database), f"the look of {flow_id} to be gone")
        assert airflow.wait_for_run(flow_id, run_id) == "failed"


def looks(database: Database) -> bool:
    """Return whether the slow look runs on the server at this moment."""
    return any("count(*)" in statement for statement in database.statements_running())
