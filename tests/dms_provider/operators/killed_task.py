"""A process of its own for a node, as Airflow gives it one: SIGTERM calls ``on_kill`` and nothing else."""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from socket import socket
from types import SimpleNamespace

from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.task_runner import _run_execute_callable

from dms_provider.operators.base import FlowOperator, SpecText
from dms_provider.operators.outputs import Output
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.operators.sql_assignment import SQLAssignmentOperator
from tests.dms_provider.operators.running import context_of


def execute(
    kind: str, uri: str, sql: str, timeout: float | None, answer: Path, supervisor: socket | None = None
) -> None:
    """Execute a node in this process, and write how it ended.

    :param kind: ``statement`` or ``assignment``
    :param uri: of the connection
    :param timeout: seconds that the node may take
    :param answer: file that gets the node's end in one line
    :param supervisor: the task's end of what connects it with its supervisor
    """
    if supervisor is not None:
        comms = SimpleNamespace(socket=supervisor, send=lambda *_, **__: None)
        task_runner.SUPERVISOR_COMMS = comms  # type: ignore[assignment]  # what a node needs of one
    os.environ["AIRFLOW_CONN_SOURCE"] = uri
    operator: FlowOperator
    limit = None if timeout is None else timedelta(seconds=timeout)
    if kind == "statement":
        operator = SingleInstanceSQLOperator(
            task_id="node", conn_id="source", sql=SpecText(sql), execution_timeout=limit
        )
    else:
        operator = SQLAssignmentOperator(
            task_id="node",
            conn_id="source",
            sql=SpecText(sql),
            outputs={"x": Output("all", 0, ",")},
            max_output_bytes=1 << 40,
            execution_timeout=limit,
        )
    context = context_of(operator)
    signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    try:
        _run_execute_callable(context, operator.execute, operator)  # type: ignore[arg-type]  # enough of one
    except BaseException as error:
        answer.write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
        sys.exit(1)
    answer.write_text("success", encoding="utf-8")
