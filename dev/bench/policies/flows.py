"""The flows that are measured, and a plain DAG with the graph of one of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

WAREHOUSE = "warehouse"
"""Airflow connection id of the PostgreSQL in which nodes work."""
ERROR_HANDLING = ("complete_running_tasks", "immediately_stop_all_tasks", "complete_unrelated_tasks")
PLAIN = "plain"
LAYERS = 4
WIDTH = 5
TABLE = "CREATE TABLE done (dag text, node text)"


def layered() -> Iterator[tuple[str, list[str]]]:
    """Return each node of the graph that is compared, with the nodes above it."""
    for layer in range(LAYERS):
        above = [f"n{layer - 1}_{place}" for place in range(WIDTH)] if layer else []
        for place in range(WIDTH):
            yield f"n{layer}_{place}", above


def write_layered(folder: Path) -> None:
    """Write the flow of each error handling policy, and the plain DAG.

    :param folder: with folders ``flows`` and ``plain``
    """
    for policy in ERROR_HANDLING:
        head = f"version: 1\nowner: alice\nerror_handling: {policy}\nconcurrency: ignore\nnodes:\n"
        nodes = "".join(
            f"  {node}:\n    type: single_instance_sql\n    after: [{', '.join(above)}]\n"
            f"    database: {WAREHOUSE}\n    sql: INSERT INTO done VALUES ('{policy}', '{node}')\n"
            for node, above in layered()
        ).replace("    after: []\n", "")
        (folder / "flows" / f"{policy}.flow.yaml").write_text(head + nodes, encoding="utf-8")
    (folder / "plain" / "plain.py").write_text(
        _PLAIN.format(nodes=dict(layered()), dag_id=PLAIN, conn_id=WAREHOUSE), encoding="utf-8"
    )


_PLAIN = '''"""The same graph in plain Airflow."""

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import DAG

NODES = {nodes}

with DAG({dag_id!r}, schedule=None, is_paused_upon_creation=False) as dag:
    tasks = {{
        node: SQLExecuteQueryOperator(
            task_id=node,
            conn_id={conn_id!r},
            sql=f"INSERT INTO done VALUES ({dag_id!r}, '{{node}}')",
            autocommit=True,
        )
        for node in NODES
    }}
    for node, above in NODES.items():
        if above:
            [tasks[task] for task in above] >> tasks[node]
'''


def write_waiting(folder: Path, nodes: int, lock: int) -> str:
    """Write a flow in a row under Mode 1, whose first node needs an advisory lock of the warehouse.

    :return: its id
    """
    lines = ["version: 1", "owner: alice", "concurrency: parallel_mode_1", "nodes:"]
    for node in range(nodes):
        lines += [f"  n{node}:", "    type: single_instance_sql", f"    database: {WAREHOUSE}"]
        lines += [f"    after: [n{node - 1}]"] if node else []
        statement = "SELECT 1" if node else f"SELECT pg_advisory_lock_shared({lock})"
        lines += [f"    sql: {statement}"]
    (folder / "flows" / "waiting.flow.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "waiting"


def write_plain_waiting(folder: Path, nodes: int) -> str:
    """Write a plain DAG in a row, whose first task waits for the clock in the triggerer.

    :return: its id
    """
    text = _PLAIN_WAITING.format(nodes=nodes)
    (folder / "plain" / "plain_waiting.py").write_text(text, encoding="utf-8")
    return "plain_waiting"


_PLAIN_WAITING = '''"""Tasks in a row, of which the first waits in plain Airflow."""

from datetime import timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG, chain

with DAG("plain_waiting", schedule=None, is_paused_upon_creation=False, max_active_runs=1000) as dag:
    wait = TimeDeltaSensor(task_id="n0", delta=timedelta(days=1), deferrable=True)
    chain(wait, *(EmptyOperator(task_id=f"n{{node}}") for node in range(1, {nodes})))
'''
