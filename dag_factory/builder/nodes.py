"""Which operator does the work of each node type, and what the spec's words are among its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from dag_factory.spec.nodes.audit import Audit
    from dag_factory.spec.nodes.conditional_branch import ConditionalBranch
    from dag_factory.spec.nodes.dependency_check import DependencyCheck
    from dag_factory.spec.nodes.ecs_remote_command import ECSRemoteCommand
    from dag_factory.spec.nodes.single_instance_sql import SingleInstanceSQL
    from dag_factory.spec.nodes.sql_assignment import SQLAssignment
    from dag_factory.spec.nodes.table_time_check import TableTimeCheck

Work = tuple["type[BaseOperator]", dict[str, Any]]
"""An operator, and the arguments that only its node type has."""


def _sql_text(node: SingleInstanceSQL | SQLAssignment, text: str | None) -> dict[str, Any]:
    """Return the statements, or where they lie in object storage."""
    from dms_provider.operators.base import SpecText

    written = text or node.sql
    return {"sql_file": SpecText(node.sql_file)} if written is None else {"sql": SpecText(written)}


def _single_instance_sql(node: SingleInstanceSQL, text: str | None) -> Work:
    from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator

    arguments = {"conn_id": node.database, **_sql_text(node, text)}
    if node.unload is not None:
        from dms_provider.operators.base import SpecText
        from dms_provider.operators.unload import UnloadOperator

        return UnloadOperator, {
            **arguments,
            "to": SpecText(node.unload.to),
            "format": node.unload.format,
        }
    return SingleInstanceSQLOperator, {**arguments, "transaction": node.transaction}


def _sql_assignment(node: SQLAssignment, text: str | None) -> Work:
    from dms_provider.operators.outputs import Output
    from dms_provider.operators.sql_assignment import SQLAssignmentOperator

    return SQLAssignmentOperator, {
        "conn_id": node.database,
        **_sql_text(node, text),
        "outputs": {
            name: Output(output.row, output.column, output.combiner, output.type, output.if_empty)
            for name, output in node.outputs.items()
        },
    }


def _conditional_branch(node: ConditionalBranch, text: str | None) -> Work:
    from dms_provider.operators.base import SpecText
    from dms_provider.operators.conditional_branch import ConditionalBranchOperator

    return ConditionalBranchOperator, {"condition": SpecText(node.condition)}


def _ecs_remote_command(node: ECSRemoteCommand, text: str | None) -> Work:
    from dms_provider.operators.base import SpecText
    from dms_provider.operators.ecs_remote_command import ECSRemoteCommandOperator
    from dms_provider.operators.outputs import ScriptOutput

    written = text or node.script
    script = {"script_file": node.script_file} if written is None else {"script": written}
    return ECSRemoteCommandOperator, {
        "conn_id": node.connection,
        "region": node.region,
        "instances": [SpecText(instance) for instance in node.instance],
        **{name: SpecText(value) for name, value in script.items() if value is not None},
        "script_type": node.script_type,
        "working_directory": node.working_directory and SpecText(node.working_directory),
        "username": node.username and SpecText(node.username),
        "outputs": {
            name: ScriptOutput(output.type, output.if_empty) for name, output in node.outputs.items()
        },
    }


def _table_time_check(node: TableTimeCheck, text: str | None) -> Work:
    from dms_provider.operators.base import SpecText
    from dms_provider.sensors.table_time_check import TableTimeCheckSensor

    return TableTimeCheckSensor, {
        "conn_id": node.database,
        "table": SpecText(node.table),
        "time_column": SpecText(node.time_column),
        "since": SpecText(node.since),
        "time_format": node.time_format,
        "inclusive": node.inclusive,
        "where": node.where and SpecText(node.where),
        "poke_interval": node.interval.total_seconds(),
        "mode": node.mode,
    }


def _audit(node: Audit, text: str | None) -> Work:
    from dms_provider.operators.audit import AuditOperator
    from dms_provider.operators.base import SpecText

    return AuditOperator, {
        "conn_id": node.database,
        "table": SpecText(node.table),
        "where": node.where and SpecText(node.where),
        "rules": node.audit_rules(),
        "report": node.report and SpecText(node.report),
        "severity": node.severity,
        "sensitive": node.sensitive,
    }


def _dependency_check(node: DependencyCheck, text: str | None) -> Work:
    from dms_provider.sensors.dependency_check import DependencyCheckSensor

    arguments: dict[str, Any] = {
        "flow": node.flow,
        "node": node.node,
        "need": node.need,
        "first_run": node.first_run,
        "on_failed": node.on_failed,
        "poke_interval": node.interval.total_seconds(),
    }
    if node.window is not None:
        arguments["window"] = node.window
    return DependencyCheckSensor, arguments


WORK: Mapping[str, Callable[[Any, str | None], Work]] = {
    "single_instance_sql": _single_instance_sql,
    "sql_assignment": _sql_assignment,
    "conditional_branch": _conditional_branch,
    "ecs_remote_command": _ecs_remote_command,
    "table_time_check": _table_time_check,
    "audit": _audit,
    "dependency_check": _dependency_check,
}
"""Node type -> what makes its operator of a node's model and the text of the file that it names."""
