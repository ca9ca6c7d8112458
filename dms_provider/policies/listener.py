"""Airflow tells the plugin that a run starts or has ended, in its own process and transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.listeners import hookimpl

from dms_provider.policies.rules import OUTCOME_TASK_ID

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:
    """Decide what a flow's run does, once, before its first node."""
    dag = dag_run.dag
    if dag is None or not dag.has_task(OUTCOME_TASK_ID):
        return
    from dms_provider.policies.run_start import start_run

    start_run(dag_run, dag)


@hookimpl
def on_dag_run_success(dag_run: DagRun, msg: str) -> None:
    """Look whether a flow's run has really ended, and who waits for it."""
    _ended(dag_run, msg)


@hookimpl
def on_dag_run_failed(dag_run: DagRun, msg: str) -> None:
    """Look whether a flow's run has really ended, and who waits for it."""
    _ended(dag_run, msg)


def _ended(dag_run: DagRun, msg: str) -> None:
    dag = dag_run.dag
    if dag is None or not dag.has_task(OUTCOME_TASK_ID):
        return
    from dms_provider.policies.run_end import end_run

    end_run(dag_run, dag, msg)
