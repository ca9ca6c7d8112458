"""The flows that Airflow knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow.models.dag import DagModel
from airflow.models.errors import ParseImportError
from airflow.models.serialized_dag import SerializedDagModel
from sqlalchemy import select

from dms_provider.operations.errors import NotKnown, Refused
from dms_provider.policies.rules import OUTCOME_TASK_ID, FlowPolicies, is_node

if TYPE_CHECKING:
    from airflow.serialization.definitions.dag import SerializedDAG
    from sqlalchemy.orm import Session

    from dms_provider.schedules import Schedule

_FILES_IN_A_MESSAGE = 5


@dataclass(frozen=True)
class KnownFlow:
    """One flow, as the newest version of its DAG.

    :param row: Airflow's row for the DAG
    :param dag: as it was serialized
    :param policies: of the flow
    """

    row: DagModel
    dag: SerializedDAG
    policies: FlowPolicies

    @property
    def flow_id(self) -> str:
        """Id of the flow, which is that of its DAG."""
        return self.row.dag_id

    @property
    def nodes(self) -> list[str]:
        """Ids of its nodes."""
        return [task_id for task_id in self.dag.task_dict if is_node(task_id)]

    @property
    def schedule(self) -> Schedule | None:
        """When it runs by itself."""
        from dms_provider.timetables.flow import FlowTimetable

        timetable = self.dag.timetable
        return timetable.schedule if isinstance(timetable, FlowTimetable) else None


def find_flow(flow_id: str, session: Session) -> KnownFlow:
    """Return a flow.

    :raises NotKnown: there is none of this id
    """
    row = session.get(DagModel, flow_id)
    stored = SerializedDagModel.get(flow_id, session=session) if row is not None else None
    flow = row and stored and _as_flow(row, stored)
    if not flow:
        raise NotKnown(
            "flow", flow_id, session.scalars(select(DagModel.dag_id)), hint=_files_with_errors(session)
        )
    return flow


def all_flows(session: Session) -> Iterator[KnownFlow]:
    """Yield each flow whose spec is there, by id."""
    rows = {row.dag_id: row for row in session.scalars(select(DagModel).where(~DagModel.is_stale))}
    stored = SerializedDagModel.get_latest_serialized_dags(dag_ids=list(rows), session=session)
    for version in sorted(stored, key=lambda version: version.dag_id):
        flow = _as_flow(rows[version.dag_id], version)
        if flow is not None:
            yield flow


def check_can_start(flow: KnownFlow, session: Session, is_spec_of_it: Callable[[str], bool]) -> None:
    """Check that a run of a flow would be run if it were made now.

    :param is_spec_of_it: whether an import error of this file name is one of the flow's spec
    :raises Refused: it would not
    """
    for name, text in _import_errors(flow.row, session):
        if is_spec_of_it(name) or (flow.row.has_import_errors and name == flow.row.relative_fileloc):
            raise Refused(f"the spec of {flow.flow_id} cannot be read; mend it first:\n{text.strip()}")
    if flow.row.is_stale:
        hint = _files_with_errors(session)
        raise Refused(f"{flow.flow_id} is gone: its spec was removed, or has another id now{hint}")
    if flow.row.is_paused:
        raise Refused(
            f"{flow.flow_id} is paused, so that Airflow starts none of its runs; first: airflow dags unpause"
            f" {flow.flow_id}"
        )


def check_node(flow: KnownFlow, node: str) -> None:
    """Check that a flow has a node.

    :raises NotKnown: it has not
    """
    if node not in flow.nodes:
        raise NotKnown("node", node, flow.nodes, of=flow.flow_id)


def _as_flow(row: DagModel, version: SerializedDagModel) -> KnownFlow | None:
    version.load_op_links = False
    dag = version.dag
    if not dag.has_task(OUTCOME_TASK_ID):
        return None
    outcome: Any = dag.get_task(OUTCOME_TASK_ID)
    return KnownFlow(row, dag, FlowPolicies.from_json(outcome.policies))


def _import_errors(row: DagModel, session: Session) -> list[tuple[str, str]]:
    stored = session.execute(
        select(ParseImportError.filename, ParseImportError.stacktrace)
        .where(ParseImportError.bundle_name == row.bundle_name)
        .order_by(ParseImportError.filename)
    )
    return [(filename or "", stacktrace or "") for filename, stacktrace in stored]


def _files_with_errors(session: Session) -> str:
    """Return a hint at the files that cannot be read: one of them may be the spec that is missed."""
    stored = session.scalars(select(ParseImportError.filename).order_by(ParseImportError.filename))
    names = list(islice(filter(None, stored), _FILES_IN_A_MESSAGE))
    return (
        f"; files that cannot be read (airflow dags list-import-errors): {', '.join(names)}" if names else ""
    )
