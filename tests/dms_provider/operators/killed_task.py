"""A process that executes one node as Airflow's task runner does: SIGTERM calls ``on_kill`` and nothing else.

Arguments: ``statement`` or ``assignment``, seconds of execution_timeout or 0, and the SQL.
"""

from __future__ import annotations

import signal
import sys
from datetime import timedelta

from airflow.sdk.execution_time.task_runner import _run_execute_callable

from dms_provider.operators.base import FlowOperator, SpecText
from dms_provider.operators.outputs import Output
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.operators.sql_assignment import SQLAssignmentOperator
from tests.dms_provider.operators.running import context_of


def main(kind: str, timeout: str, sql: str) -> None:
    operator: FlowOperator
    limit = timedelta(seconds=float(timeout)) if float(timeout) else None
    if kind == "statement":
        operator = SingleInstanceSQLOperator(
            task_id="node", conn_id="source", sql=SpecText(sql), execution_timeout=limit
        )
    else:
        outputs = {"x": Output("all", 0, ",")}
        operator = SQLAssignmentOperator(
            task_id="node",
            conn_id="source",
            sql=SpecText(sql),
            outputs=outputs,
            max_output_bytes=1 << 40,
            execution_timeout=limit,
        )
    context = context_of(operator)
    signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    try:
        _run_execute_callable(context, operator.execute, operator)  # type: ignore[arg-type]  # enough of one
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        sys.exit(1)
    print("success", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
