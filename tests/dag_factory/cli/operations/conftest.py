"""Flows in a metadata database without a scheduler: a test moves the runs itself."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.errors import ParseImportError
from airflow.models.taskinstance import TaskInstance
from airflow.models.variable import Variable
from airflow.models.xcom import XComModel
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.session import create_session
from sqlalchemy import delete, select

from dag_factory.builder import build_dag
from dag_factory.cli.airflow import get_dms_cli_commands
from dag_factory.validation import DRAFT_ID_SUFFIX, validate_bytes
from dms_provider.operations import watching
from tests.dag_factory.cli.conftest import Outcome

BUNDLE = "flows"
FLOW = """\
version: 1
id: {id}
owner: alice
stakeholders: [bob]
concurrency: {concurrency}
schedule:
  timezone: America/New_York
  day: {{at: 02:55}}
nodes:
  count:
    type: sql_assignment
    database: warehouse
    sql: SELECT count(*) FROM flights
    outputs:
      late: {{row: 0, column: 0, type: number}}
  many:
    type: conditional_branch
    after: [count]
    condition: ${{late}} > 100
  alert:
    type: single_instance_sql
    after: [many]
    database: warehouse
    sql: SELECT 1
  report:
    type: single_instance_sql
    after: [count]
    database: warehouse
    sql: SELECT 2
  send:
    type: single_instance_sql
    after: [report]
    database: warehouse
    sql: SELECT 3
"""


class Metadata:
    """Airflow's metadata, and what scheduler and dag-processor would do with it."""

    def add_flow(self, flow_id: str = "daily", *, concurrency: str = "skip", text: str = FLOW) -> None:
        """Parse a spec as the dag-processor does."""
        spec = text.format(id=flow_id.removesuffix(DRAFT_ID_SUFFIX), concurrency=concurrency)
        draft = flow_id.endswith(DRAFT_ID_SUFFIX)
        name = f"{flow_id.removesuffix(DRAFT_ID_SUFFIX)}{'.draft' if draft else ''}.flow.yaml"
        validated = validate_bytes(spec.encode(), file=name, path=None, root=None)
        dag = build_dag(validated, draft=draft)
        dag.fileloc, dag.relative_fileloc = __file__, "flows_0.py"
        with create_session() as session:
            update_dag_parsing_results_in_db(
                BUNDLE, None, [LazyDeserializedDAG.from_dag(dag)], {}, 0.1, set(), session
            )

    def set_flow(self, flow_id: str = "daily", **values: Any) -> None:
        """Change columns of the flow's row."""
        with create_session() as session:
            row = session.get(DagModel, flow_id)
            assert row is not None
            for name, value in values.items():
                setattr(row, name, value)

    def add_import_error(self, file: str, text: str) -> None:
        with create_session() as session:
            session.add(ParseImportError(filename=file, bundle_name=BUNDLE, stacktrace=text))

    def runs(self) -> list[DagRun]:
        """Return all runs in the order in which they were made."""
        with create_session() as session:
            return list(session.scalars(select(DagRun).order_by(DagRun.id)))

    def set_run(self, run_id: str, state: str, **decided: Any) -> None:
        """Move a run to a state, and write what was decided into its conf, as the scheduler does."""
        with create_session() as session:
            run = session.scalars(select(DagRun).where(DagRun.run_id == run_id)).one()
            run.state = state
            run.conf = {**run.conf, "dms": {**run.conf.get("dms", {}), **decided}}

    def states(self, run_id: str) -> dict[str, str | None]:
        with create_session() as session:
            stored = session.scalars(select(TaskInstance).where(TaskInstance.run_id == run_id))
            return {instance.task_id: instance.state and str(instance.state) for instance in stored}

    def set_states(self, run_id: str, **states: str | None) -> None:
        with create_session() as session:
            for instance in session.scalars(select(TaskInstance).where(TaskInstance.run_id == run_id)):
                if instance.task_id in states:
                    instance.state = states[instance.task_id]

    def skip(self, run_id: str, by: str, nodes: list[str]) -> None:
        """Leave what a condition leaves that has skipped nodes."""
        with create_session() as session:
            run = session.scalars(select(DagRun).where(DagRun.run_id == run_id)).one()
            session.add(
                XComModel(
                    dag_run_id=run.id,
                    dag_id=run.dag_id,
                    run_id=run_id,
                    task_id=by,
                    map_index=-1,
                    key="skipmixin_key",
                    value={"skipped": nodes},
                )
            )

    def variables(self) -> dict[str, str]:
        with create_session() as session:
            return {row.key: row.val for row in session.scalars(select(Variable))}


@pytest.fixture
def metadata(airflow_database: object) -> Iterator[Metadata]:
    """A metadata database with the flow ``daily``, and nothing of other tests."""
    _empty()
    with create_session() as session:
        if session.get(DagBundleModel, BUNDLE) is None:
            session.add(DagBundleModel(name=BUNDLE))
    metadata = Metadata()
    metadata.add_flow()
    yield metadata
    _empty()


def _empty() -> None:
    with create_session() as session:
        for model in (DagRun, Variable, ParseImportError, DagModel):
            session.execute(delete(model))


Dms = Callable[..., Outcome]


@pytest.fixture
def dms(capsys: pytest.CaptureFixture[str]) -> Dms:
    """Run one command as ``airflow dms`` does."""
    (group,) = get_dms_cli_commands()
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers(required=True)
    for command in group.subcommands:
        subparser = subparsers.add_parser(command.name)
        for argument in command.args:
            argument.add_to_parser(subparser)
        subparser.set_defaults(func=command.func)

    def run(*arguments: str) -> Outcome:
        parsed = parser.parse_args(arguments)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            parsed.func(parsed)
        printed = capsys.readouterr()
        return Outcome(int(str(ended.value.code)), printed.out, printed.err)

    return run


class Scheduler:
    """Moves the run that was made last one step on, each time somebody waits for it.

    ``ends`` has a state for each run, the last one for all others; ``skipped`` is one of them.
    """

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self.ends = ["success"]
        self.interrupt_at: int | None = None

    def step(self, seconds: float) -> None:
        runs = self._metadata.runs()
        run = runs[-1]
        if self.interrupt_at == len(runs):
            raise KeyboardInterrupt
        if run.state == "queued":
            self._metadata.set_run(run.run_id, "running", kind="try")
            return
        end = self.ends[min(len(runs), len(self.ends)) - 1]
        if end == "skipped":
            self._metadata.set_run(run.run_id, "success", skipped_for="another")
        else:
            self._metadata.set_run(run.run_id, end)


@pytest.fixture
def scheduler(metadata: Metadata, monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    scheduler = Scheduler(metadata)
    monkeypatch.setattr(watching.time, "sleep", scheduler.step)
    return scheduler
