"""Airflow tells the plugin that a run starts or has ended, in its own process and transaction.

Of a DAG that is no flow, a run is only noted where a flow waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.listeners import hookimpl

from dms_provider.policies.rules import OUTCOME_TASK_ID

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.serialization.definitions.dag import SerializedDAG


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:
    """Decide what a flow's run does, once, before its first node."""
    dag = dag_run.dag
    if dag is None:
        return
    if not dag.has_task(OUTCOME_TASK_ID):
        _note(dag_run, dag, msg)
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
    if dag is None:
        return
    if not dag.has_task(OUTCOME_TASK_ID):
        # once more: another scheduler may have been in the way when it started
        _note(dag_run, dag, msg)
        return
    from dms_provider.policies.run_end import end_run

    end_run(dag_run, dag, msg)


def _note(dag_run: DagRun, dag: SerializedDAG, msg: str) -> None:
    from dms_provider.policies.noting import note_run_of_other_dag

    note_run_of_other_dag(dag_run, dag, msg)
