"""The same flows, written for each of the three ways to make DAGs of them.

A flow has five SQL nodes in a row, each with a retry, a time-out and a business date in its SQL.
"""

from __future__ import annotations

from pathlib import Path

NODES = 5
BROKEN_EVERY = 100


def flow_id(number: int) -> str:
    """Return the id of a flow in every form of the corpus."""
    return f"flow_{number:05d}"


def _statement(number: int, node: int, date: str) -> str:
    return (
        f"DELETE FROM report_{number % 7} WHERE day = '{date}' AND step = {node};\n"
        f"INSERT INTO report_{number % 7} SELECT day, {node}, count(*) FROM flights\n"
        f"    WHERE day = '{date}' GROUP BY 1"
    )


def write_specs(folder: Path, count: int, *, broken: bool) -> int:
    """Write ``count`` flow specs; with ``broken``, every hundredth has two mistakes.

    :return: how many are broken
    """
    folder.mkdir(parents=True, exist_ok=True)
    faulty = 0
    for number in range(count):
        is_broken = broken and number % BROKEN_EVERY == BROKEN_EVERY // 2
        faulty += is_broken
        lines = [
            "version: 1",
            f"name: Flow {number}",
            "description: Refreshes one report.",
            "scenario: operations",
            "owner: alice",
            "error_handling: complete_unrelated_tasks",
            "schedule:",
            "  day: {at: 02:55}",
            "variables:",
            "  month: yyyyMM|-1M",
            "constants:",
            "  region: east",
            "nodes:",
        ]
        for node in range(NODES):
            after = f"n{node - 1}" if node else ""
            if is_broken and node == 3:
                after = "n9"
            lines += [f"  n{node}:", "    type: single_instance_sql"]
            lines += [f"    after: [{after}]"] if after else []
            lines += [
                "    database: warehouse",
                "    retry: {count: 2, interval: 5m}",
                "    timeout: 1h",
                "    sql: |",
            ]
            date = "${bizdat}" if is_broken and node == 4 else "${bizdate}"
            lines += [f"      {line}" for line in _statement(number, node, date).splitlines()]
        (folder / f"{flow_id(number)}.flow.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return faulty


def write_plain_python(folder: Path, count: int) -> Path:
    """Write one module whose ``build()`` makes the same DAGs of Airflow's own SQL operators.

    :return: the module's file
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "plain_flows.py"
    file.write_text(_PLAIN.format(count=count, nodes=NODES), encoding="utf-8")
    return file


_PLAIN = '''"""Plain Python: the floor of what building these DAGs costs."""

from datetime import timedelta

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import DAG

STATEMENTS = """DELETE FROM report_{{table}} WHERE day = '{{{{{{{{ ds }}}}}}}}' AND step = {{node}};
INSERT INTO report_{{table}} SELECT day, {{node}}, count(*) FROM flights\\
    WHERE day = '{{{{{{{{ ds }}}}}}}}' GROUP BY 1"""


def build(first=0, last={count}):
    dags = {{}}
    for number in range(first, last):
        with DAG(
            f"flow_{{number:05d}}",
            description="Refreshes one report.",
            schedule="55 2 * * *",
            catchup=False,
            tags=["operations"],
            dagrun_timeout=timedelta(hours=18),
        ) as dag:
            before = None
            for node in range({nodes}):
                task = SQLExecuteQueryOperator(
                    task_id=f"n{{node}}",
                    owner="alice",
                    conn_id="warehouse",
                    sql=STATEMENTS.format(table=number % 7, node=node),
                    split_statements=True,
                    retries=2,
                    retry_delay=timedelta(minutes=5),
                    execution_timeout=timedelta(hours=1),
                )
                if before is not None:
                    before >> task
                before = task
        dags[dag.dag_id] = dag
    return dags
'''


def write_dag_factory(folder: Path, count: int) -> None:
    """Write the equivalent files of dag-factory, one a flow."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        lines = [
            f"{flow_id(number)}:",
            "  default_args:",
            "    owner: alice",
            "    retries: 2",
            "    retry_delay: 300",
            "    execution_timeout: {__type__: datetime.timedelta, hours: 1}",
            "  description: Refreshes one report.",
            '  schedule: "55 2 * * *"',
            "  catchup: false",
            "  tags: [operations]",
            "  dagrun_timeout: {__type__: datetime.timedelta, hours: 18}",
            "  tasks:",
        ]
        for node in range(NODES):
            lines += [
                f"    - task_id: n{node}",
                "      operator: airflow.providers.common.sql.operators.sql.SQLExecuteQueryOperator",
                "      conn_id: warehouse",
                "      split_statements: true",
            ]
            lines += [f"      dependencies: [n{node - 1}]"] if node else []
            lines += ["      sql: |"]
            lines += [f"        {line}" for line in _statement(number, node, "{{ ds }}").splitlines()]
        (folder / f"{flow_id(number)}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
