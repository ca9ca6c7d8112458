"""How soon everything is gone from the servers after a node has failed under immediate stop."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from dev.bench.policies.instance import measured_airflow, unlogged
from dev.services import MariaDBServer, PostgresServer
from tests.end_to_end.airflow_instance import AirflowInstance

FLOW = "stopped"
LOCK = 4712
PATIENCE = 120.0
_SPEC = f"""\
version: 1
owner: alice
error_handling: immediately_stop_all_tasks
concurrency: ignore
nodes:
  fails:
    type: single_instance_sql
    database: control
    sql: SELECT pg_advisory_lock_shared({LOCK}); SELECT 1 / 0
  works_on_postgres:
    type: single_instance_sql
    database: postgres_server
    sql: SELECT pg_sleep(900)
  fetches_from_postgres:
    type: sql_assignment
    database: postgres_server
    sql: SELECT x FROM generate_series(1, 2000000000) AS x
    outputs: {{far_off: {{row: 999999999, column: x}}}}
  works_on_mariadb:
    type: single_instance_sql
    database: mariadb_server
    sql: DO sleep(900)
  fetches_from_mariadb:
    type: sql_assignment
    database: mariadb_server
    sql: SELECT seq AS x FROM seq_1_to_2000000000
    outputs: {{far_off: {{row: 999999999, column: x}}}}
  waits_in_the_triggerer:
    type: table_time_check
    database: control
    table: signs
    time_column: at
    since: ${{bizdate}} 00:00:00
    interval: 2s
  never:
    type: single_instance_sql
    after: [works_on_postgres]
    database: control
    sql: SELECT 1
"""
_AT_WORK = ("works_on_postgres", "fetches_from_postgres", "works_on_mariadb", "fetches_from_mariadb")
_STATES = "SELECT task_id, state FROM task_instance WHERE dag_id = %s AND run_id = %s"
_ON_POSTGRES = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_ON_MARIADB = (
    "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
)


def measure_stops(runs: int) -> None:
    """Fail a node while others work, fetch and wait; print the longest time until all sessions are gone.

    :param runs: one after the other
    """
    with PostgresServer() as control, PostgresServer() as postgres, MariaDBServer() as mariadb:
        servers = {"control": control, "postgres_server": postgres, "mariadb_server": mariadb}
        settings = {"CORE__PARALLELISM": "8", "WORKERS__MIN_HEARTBEAT_INTERVAL": "5"}
        with (
            measured_airflow(servers, settings) as airflow,
            control.connect(autocommit=True) as holder,
            postgres.connect(autocommit=True) as on_postgres,
            mariadb.connect() as on_mariadb,
        ):
            holder.execute("CREATE TABLE signs (at timestamptz)")
            (airflow.dags / "flows" / f"{FLOW}.flow.yaml").write_text(_SPEC, encoding="utf-8")
            airflow.wait_for(lambda: FLOW in airflow.active_dags(), "the flow to be live")

            def sessions() -> int:
                (there,) = on_postgres.execute(_ON_POSTGRES).fetchone()
                with on_mariadb.cursor() as cursor:
                    cursor.execute(_ON_MARIADB)
                    return int(there) + int(cursor.fetchone()[0])

            times = [_stop_once(airflow, holder, sessions) for _ in range(runs)]
    known, ended = zip(*times, strict=True)
    print(
        f"\nimmediate stop, {runs} runs, four sessions on PostgreSQL and MariaDB, one node in the triggerer"
    )
    print("seconds from the recorded failure:")
    for what, values in (("last session gone", known), ("last node ended", ended)):
        print(f"{what:20} median {statistics.median(values):6.1f}  longest {max(values):6.1f}", flush=True)


def _stop_once(airflow: AirflowInstance, holder: Any, sessions: Callable[[], int]) -> tuple[float, float]:
    holder.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    run_id = airflow.trigger(FLOW)
    with unlogged(airflow) as connection:

        def states() -> dict[str, str | None]:
            return dict(connection.execute(_STATES, (FLOW, run_id)).fetchall())

        def is_at_work() -> bool:
            now = states()
            return now["waits_in_the_triggerer"] == "deferred" and all(
                now[node] == "running" for node in (*_AT_WORK, "fails")
            )

        airflow.wait_for(lambda: is_at_work() and sessions() == len(_AT_WORK), "all to be at work")
        time.sleep(8)
        assert sessions() == len(_AT_WORK)
        holder.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
        _until(lambda: states()["fails"] == "failed")
        failed = time.time()
        _until(lambda: sessions() == 0)
        gone = time.time()
        _until(lambda: not {"running", "deferred"} & set(states().values()))
        ended = time.time()
        now = states()
        assert airflow.wait_for_run(FLOW, run_id) == "failed"
        assert all(now[node] == "failed" for node in _AT_WORK), now
        assert now["never"] != "success", now
        print(f"gone after {gone - failed:.1f} s, ended after {ended - failed:.1f} s", flush=True)
        return gone - failed, ended - failed


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.1)
