"""The DAGs whose tasks are measured: each has one."""

from __future__ import annotations

from pathlib import Path

DATABASES = ("postgres", "mariadb")
IDLE = "idle"
NODE = "node"
_QUERIES = {
    "postgres": "SELECT i, md5(i::text) AS code, (i * 0.37)::numeric(12, 2) AS amount,"
    " date '2023-01-01' + i % 365 AS day FROM generate_series(1, {rows}) AS i",
    "mariadb": "SELECT seq AS i, md5(seq) AS code, CAST(seq * 0.37 AS DECIMAL(12, 2)) AS amount,"
    " DATE '2023-01-01' + INTERVAL seq % 365 DAY AS day FROM seq_1_to_{rows}",
}
_ASSIGNMENT = "    type: sql_assignment\n    outputs: {{cell: {{row: {row}, column: code}}}}\n"
_UNLOAD = (
    '    type: single_instance_sql\n    unload: {{to: "oss://archive/bucket/{database}/${{bizdate}}.csv"}}\n'
)
KINDS = {"first cell": _ASSIGNMENT, "last cell": _ASSIGNMENT, "unload": _UNLOAD}
_IDLE = f'''"""A task that does nothing."""

import time

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG


def rest():
    time.sleep(5)


with DAG({IDLE!r}, schedule=None, is_paused_upon_creation=False):
    PythonOperator(task_id={NODE!r}, python_callable=rest)
'''


def write_flows(folder: Path, rows: int, databases: list[str], kinds: list[str]) -> dict[str, str]:
    """Write the idle DAG and the flows.

    :param folder: with folders ``flows`` and ``plain``
    :param rows: of each result
    :param kinds: what to measure on each database
    :return: id of each DAG, with what it measures
    """
    (folder / "plain" / "idle.py").write_text(_IDLE, encoding="utf-8")
    written = {IDLE: "a task that sleeps"}
    for database in databases:
        for kind in kinds:
            dag_id = f"{database}_{kind.replace(' ', '_')}"
            row = rows - 1 if kind == "last cell" else 0
            node = KINDS[kind].format(row=row, database=database)
            query = _QUERIES[database].format(rows=rows)
            spec = (
                f"version: 1\nowner: alice\nnodes:\n  {NODE}:\n{node}"
                f"    database: {database}\n    sql: {query}\n"
            )
            (folder / "flows" / f"{dag_id}.flow.yaml").write_text(spec, encoding="utf-8")
            written[dag_id] = f"{database}, {kind}"
    return written
