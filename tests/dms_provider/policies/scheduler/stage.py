"""A scheduler of Airflow whose tasks are played: its code and its database are real, its workers are not."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from airflow.callbacks.base_callback_sink import BaseCallbackSink
from airflow.executors.base_executor import BaseExecutor
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagbag import DBDagBag
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.pool import Pool
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.session import create_session
from airflow.utils.sqlalchemy import prohibit_commit
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dag_factory.builder import build_dag
from dag_factory.validation import validate_file
from dev.services import Server
from dms_provider.policies.rules import HOLD_TASK_ID, OUTCOME_TASK_ID, is_node

BUNDLE = "flows"
_IDLE_LOOPS = 4
"""What is decided in one loop shows in the next ones, up to the state of the run."""
_numbers = itertools.count(1)


class _Callbacks(BaseCallbackSink):
    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, callback: Any) -> None:
        self.sent.append(callback)


class _NoWorkers(BaseExecutor):
    @property
    def slots_available(self) -> int:
        return 0


class Stage:
    """A context manager; the flows of one have other names than those of another.

    :param server: PostgreSQL
    :param database: Airflow's
    """

    def __init__(self, server: Server, database: str) -> None:
        self.server = server
        self.database = database
        self.callbacks = _Callbacks()
        executor = _NoWorkers(parallelism=1)
        executor.callback_sink = self.callbacks
        self.runner = SchedulerJobRunner(job=Job(), executors=[executor])
        self.played: list[tuple[str, str]] = []
        self._folder = TemporaryDirectory(prefix="dms-stage-")
        self._prefix = f"f{next(_numbers)}_"

    def __enter__(self) -> Stage:
        with create_session(scoped=False) as session:
            if session.get(DagBundleModel, BUNDLE) is None:
                session.add(DagBundleModel(name=BUNDLE))
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with create_session(scoped=False) as session:
            session.execute(update(DagRun).values(_state=DagRunState.FAILED))
        self._folder.cleanup()

    def flow(
        self, name: str, nodes: Mapping[str, Collection[str] | Mapping[str, Any]], /, **keys: Any
    ) -> str:
        """Add a flow; return its id.

        :param nodes: node -> nodes directly upstream; one whose id begins with ``c`` is a condition; or
            node -> all keys of it
        :param keys: of the spec
        """
        import yaml

        spec: dict[str, Any] = {"version": 1, "id": self._prefix + name, "owner": "alice", **keys}
        pools = spec.pop("node_pools", {})
        spec["nodes"] = {
            node: dict(after) if isinstance(after, Mapping) else
                  ({"type": "conditional_branch", "condition": "1 == 1"} if node.startswith("c") else
                   {"type": "single_instance_sql", "database": "db", "sql": "SELECT 1"})
            | ({"after": list(after)} if after else {})
            | ({"pool": pools[node]} if node in pools else {})
            for node, after in nodes.items()
        }  # fmt: skip
        path = Path(self._folder.name) / f"{name}.flow.yaml"
        path.write_text(yaml.safe_dump(spec), encoding="utf-8")
        dag = build_dag(validate_file(path))
        dag.relative_fileloc = path.name
        with create_session(scoped=False) as session:
            self._write(LazyDeserializedDAG.from_dag(dag), session)
        return dag.dag_id

    def rewrite(self, flow: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change what is stored of a flow's DAG, as another version of the provider would have written it."""
        with create_session(scoped=False) as session:
            model = session.scalars(SerializedDagModel.latest_item_select_object(flow)).one()
            data = deepcopy(model.data)
            change(data)
            of_model = update(SerializedDagModel).where(SerializedDagModel.id == model.id)
            session.execute(of_model.values(_data=data).execution_options(synchronize_session=False))

    @staticmethod
    def _write(dag: LazyDeserializedDAG, session: Session) -> None:
        SerializedDAG.bulk_write_to_db(BUNDLE, None, [dag], session=session)
        SerializedDagModel.write_dag(dag, bundle_name=BUNDLE, session=session)

    def dag(self, flow: str, session: Session) -> SerializedDAG:
        """Return the newest version of a flow's DAG."""
        dag = DBDagBag(load_op_links=False).get_latest_version_of_dag(flow, session=session)
        assert dag is not None
        return dag

    def trigger(
        self,
        flow: str,
        run_id: str,
        *,
        conf: Any = None,
        run_type: DagRunType = DagRunType.MANUAL,
        logical_date: datetime | None = None,
    ) -> str:
        """Have a run of a flow; it is queued."""
        now = datetime.now(timezone.utc)
        with create_session(scoped=False) as session:
            self.dag(flow, session).create_dagrun(
                run_id=run_id,
                logical_date=logical_date,
                data_interval=(logical_date, logical_date) if logical_date else None,
                run_after=now - timedelta(seconds=1),
                conf=conf,
                run_type=run_type,
                triggered_by=DagRunTriggeredByType.TEST,
                state=DagRunState.QUEUED,
                session=session,
            )
        return run_id

    def start(self) -> None:
        """Have the scheduler start queued runs, once."""
        with create_session(scoped=False) as session:
            with prohibit_commit(session) as guard:
                self.runner._start_queued_dagruns(session)
                guard.commit()
            session.expunge_all()

    def loop(self) -> None:
        """Have the scheduler do one whole loop."""
        with create_session(scoped=False) as session:
            self.runner._do_scheduling(session)
            session.expunge_all()

    def play(self, *runs: tuple[str, str], fail: Collection[str] = (), false: Collection[str] = (), until:
             Collection[str] = (), loops: int = 20) -> None:  # fmt: skip
        """Let the scheduler go on, and do the work of its workers, until nothing is left to do.

        :param runs: flow and id of those whose tasks are worked on; none: all
        :param fail: nodes that fail
        :param false: conditions that are false
        :param until: nodes that are not finished, and stay ``running``
        """
        idle = 0
        for _ in range(loops):
            self.loop()
            with create_session(scoped=False) as session:
                found = session.scalars(
                    select(TaskInstance).where(TaskInstance.state == TaskInstanceState.SCHEDULED)
                )
                mine = [ti for ti in found if not runs or (ti.dag_id, ti.run_id) in runs]
                for ti in mine:
                    self._work(ti, fail, false, until, session)
            idle = 0 if mine else idle + 1
            if idle == _IDLE_LOOPS:
                return
        raise AssertionError(f"still going after {loops} loops: {self.played}")

    def _work(
        self, ti: TaskInstance, fail: Collection[str], false: Collection[str], until: Collection[str],
        session: Session,
    ) -> None:  # fmt: skip
        dag = self.dag(ti.dag_id, session)
        now = datetime.now(timezone.utc)
        ti.start_date = now
        if is_node(ti.task_id):
            self.played.append((ti.run_id, ti.task_id))
        if ti.task_id in until:
            ti.state = TaskInstanceState.RUNNING
            return
        said = self.said(ti.dag_id, ti.run_id)
        if is_node(ti.task_id) and ("kind" not in said or "refused" in said):
            # what every node says by itself
            self.played.pop()
            ti.state, ti.end_date = TaskInstanceState.FAILED, now
            return
        ti.end_date = now
        run = session.scalars(
            select(TaskInstance).where(TaskInstance.dag_id == ti.dag_id, TaskInstance.run_id == ti.run_id)
        ).all()
        failed = any(other.state == TaskInstanceState.FAILED and is_node(other.task_id) for other in run)
        outcome: Any = dag.get_task(OUTCOME_TASK_ID)
        holds = outcome.policies["error_handling"] != "complete_unrelated_tasks"
        ti.state = TaskInstanceState.SUCCESS
        if ti.task_id == OUTCOME_TASK_ID or ti.task_id in fail:
            ti.state = TaskInstanceState.FAILED
        elif ti.task_id == HOLD_TASK_ID and failed:
            begun = {"success", "failed", "running", "skipped", "upstream_failed", "deferred"}
            self._skip(ti, [o.task_id for o in run if is_node(o.task_id) and o.state not in begun], session)
        elif is_node(ti.task_id) and holds and failed:
            self.played.pop()
            ti.state = TaskInstanceState.SKIPPED
        elif ti.task_id in false:
            below = dag.get_task(ti.task_id).get_flat_relative_ids(upstream=False)
            self._skip(ti, sorted(filter(is_node, below)), session)

    @staticmethod
    def _skip(ti: TaskInstance, task_ids: list[str], session: Session) -> None:
        """Skip tasks as Airflow does for a worker, and leave word of it as SkipMixin does."""
        session.execute(
            update(TaskInstance)
            .where(TaskInstance.run_id == ti.run_id, TaskInstance.dag_id == ti.dag_id)
            .where(TaskInstance.task_id.in_(task_ids))
            .where(TaskInstance.state.is_(None) | TaskInstance.state.not_in(["running", "success", "failed"]))
            .values(state=TaskInstanceState.SKIPPED)
        )
        XComModel.set(
            key="skipmixin_key", value={"skipped": task_ids}, task_id=ti.task_id, dag_id=ti.dag_id,
            run_id=ti.run_id, serialize=False, session=session,
        )  # fmt: skip

    def name(self, name: str) -> str:
        """Return a name that is no other stage's."""
        return self._prefix + name

    def end(self, flow: str, run_id: str, state: DagRunState = DagRunState.SUCCESS) -> None:
        """End a run, whatever it does."""
        with create_session(scoped=False) as session:
            session.execute(
                update(DagRun).where(DagRun.dag_id == flow, DagRun.run_id == run_id).values(_state=state)
            )

    def run(self, flow: str, run_id: str) -> DagRun:
        """Return a run as it is in the database."""
        with create_session(scoped=False) as session:
            run = session.scalars(select(DagRun).where(DagRun.dag_id == flow, DagRun.run_id == run_id)).one()
            _ = run.note
            return run

    def said(self, flow: str, run_id: str) -> Mapping[str, Any]:
        """Return what a run's conf says under ``dms``."""
        said: Mapping[str, Any] = (self.run(flow, run_id).conf or {}).get("dms", {})
        return said

    def states(self, flow: str, run_id: str, *, helpers: bool = False) -> dict[str, str | None]:
        """Return node -> state of one run."""
        with create_session(scoped=False) as session:
            rows = session.execute(
                select(TaskInstance.task_id, TaskInstance.state)
                .where(TaskInstance.dag_id == flow, TaskInstance.run_id == run_id)
                .order_by(TaskInstance.task_id)
            ).all()
        return {name: state and str(state) for name, state in rows if helpers or is_node(name)}

    def set_states(self, flow: str, run_id: str, **states: str | None) -> None:
        """Give nodes of a run a state, as workers do."""
        with create_session(scoped=False) as session:
            for node, state in states.items():
                session.execute(
                    update(TaskInstance)
                    .where(TaskInstance.dag_id == flow, TaskInstance.run_id == run_id)
                    .where(TaskInstance.task_id == node)
                    .values(state=state, try_number=1)
                )

    def set_run(self, flow: str, run_id: str, **columns: Any) -> None:
        """Change what Airflow has stored of a run."""
        with create_session(scoped=False) as session:
            session.execute(
                update(DagRun).where(DagRun.dag_id == flow, DagRun.run_id == run_id).values(**columns)
            )

    def write_note(self, flow: str, run_id: str, note: str) -> None:
        """Write a note on a run as somebody does in the UI."""
        with create_session(scoped=False) as session:
            of_run = select(DagRun).where(DagRun.dag_id == flow, DagRun.run_id == run_id)
            session.scalars(of_run).one().note = note

    def set_columns(self, flow: str, run_id: str, node: str, **columns: Any) -> None:
        """Change what Airflow has stored of a node of a run."""
        with create_session(scoped=False) as session:
            session.execute(
                update(TaskInstance)
                .where(TaskInstance.dag_id == flow, TaskInstance.run_id == run_id)
                .where(TaskInstance.task_id == node)
                .values(**columns)
            )

    def clear(
        self, flow: str, run_id: str, *nodes: str, only_failed: bool = False, downstream: bool = True
    ) -> None:
        """Clear nodes of a run as the UI does; none: the whole run."""
        with create_session(scoped=False) as session:
            dag = self.dag(flow, session)
            if nodes:
                dag = dag.partial_subset(
                    task_ids=nodes, include_downstream=downstream, include_upstream=False
                )
            dag.clear(run_id=run_id, only_failed=only_failed, session=session)

    def make_pool(self, name: str, slots: int = 1) -> None:
        """Make a pool as somebody does in the UI."""
        with create_session(scoped=False) as session:
            session.add(Pool(pool=name, slots=slots, description="", include_deferred=False))
