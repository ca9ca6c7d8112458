"""What one node would execute, given a time and the outputs of other nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dag_factory.validation import Validated
from dms_provider.variables.known import known_values
from dms_provider.variables.pattern import PatternError
from dms_provider.variables.references import Reference, Text, parse_references, splice
from dms_provider.variables.run_times import RunTimes
from dms_provider.variables.scope import SYSTEM_VARIABLES
from dms_provider.variables.values import Data, Value

_TIME = "%Y-%m-%d %H:%M:%S"
_OF_ONE_NODE = frozenset({"node_id", "run_id"})


class _NodeFails(Exception):
    """Why the node would fail."""


class NodePreview:
    """Previews the nodes of one flow.

    :param validated: the flow
    :param times: of the run
    :param outputs: values of outputs of upstream nodes
    :param conn_type_of: type of a connection, ``None`` if nobody knows
    """

    def __init__(
        self,
        validated: Validated,
        times: RunTimes,
        outputs: Mapping[str, Data],
        conn_type_of: Callable[[str], str | None],
    ) -> None:
        flow = validated.flow
        self._validated = validated
        self._outputs = outputs
        self._conn_type_of = conn_type_of
        self.times = times
        self._scope = flow.scope()

    def variables(self) -> dict[str, str]:
        """Return what every node sees: the flow's own names, the system's, and the outputs that are set."""
        flow = self._validated.flow
        names = [*flow.variables, *flow.constants, *flow.secrets, *sorted(SYSTEM_VARIABLES - _OF_ONE_NODE)]
        values = {name: self._shown_value(name) for name in names}
        values.update((name, data.text) for name, data in self._outputs.items())
        return values

    def _shown_value(self, name: str) -> str:
        try:
            return self._values((name,), {}, "", {})[name].text
        except PatternError as error:
            return f"error: {error.message}"

    def node(self, node_id: str) -> dict[str, Any]:
        """Return the node's type with what it would execute, and with ``error`` if it would fail."""
        node = self._validated.flow.nodes[node_id]
        shown: dict[str, Any] = {"type": node.type}
        try:
            _SHOWN[node.type](self, node_id, node, shown)
        except (_NodeFails, PatternError) as error:
            shown["error"] = str(error)
        return shown

    def _show_statements(self, node_id: str, node: Any, shown: dict[str, Any]) -> None:
        from dms_provider.dialects import RefusedValue, UnknownDialect, dialect
        from dms_provider.dialects.script import fill_script, script_problem

        shown["statements"] = []
        conn_type = self._conn_type_of(node.database)
        if conn_type is None:
            raise _NodeFails(f"there is no connection {node.database!r} here; give --dialect TYPE")
        if (unload := getattr(node, "unload", None)) is not None:
            shown["unload"] = self._of_the_author(node_id, node, unload.to)
        written = node.sql or self._validated.file_texts.get(("nodes", node_id, "sql_file"))
        if written is None:
            shown["sql_file"] = self._of_the_author(node_id, node, node.sql_file)
            return
        text = self._spliced(node_id, node, written)
        try:
            language = dialect(conn_type)
            statements = fill_script(text, language)
        except (RefusedValue, UnknownDialect) as error:
            raise _NodeFails(str(error)) from None
        shown["statements"] = [statement.sql for statement in statements]
        problem = script_problem(
            text,
            statements,
            language,
            transaction=getattr(node, "transaction", False),
            one_query=node.one_query,
        )
        if problem is not None:
            raise _NodeFails(problem)

    def _of_the_author(self, node_id: str, node: Any, written: str) -> str:
        """Return a text in which no data may stand, as the node would use it."""
        return "".join(part for part in self._spliced(node_id, node, written) if isinstance(part, str))

    def _spliced(self, node_id: str, node: Any, written: str) -> Text:
        segments = parse_references(written)
        names = {segment.name for segment in segments if isinstance(segment, Reference)}
        values = self._values(names, node.variables, node_id, self._validated.inputs.get(node_id, {}))
        return splice(segments, values, keep_unknown=True)

    def _show_condition(self, node_id: str, node: Any, shown: dict[str, Any]) -> None:
        from dms_provider.conditions import ConditionError, parse_condition
        from dms_provider.conditions.known import fill_condition, known_result

        condition = parse_condition(node.condition)
        inputs = self._validated.inputs.get(node_id, {})
        values = self._values(condition.names, node.variables, node_id, inputs)
        shown["condition"] = fill_condition(condition, values)
        shown["result"] = None
        try:
            shown["result"] = known_result(condition, values)
        except ConditionError as error:
            raise _NodeFails(str(error)) from None

    def _show_audit(self, node_id: str, node: Any, shown: dict[str, Any]) -> None:
        from dms_provider.audit.plan import AuditPlan, WrongAudit
        from dms_provider.dialects import RefusedValue, UnknownDialect, WrongName, dialect, substitute

        shown["statements"] = []
        conn_type = self._conn_type_of(node.database)
        if conn_type is None:
            raise _NodeFails(f"there is no connection {node.database!r} here; give --dialect TYPE")
        rules = node.audit_rules()
        texts = parse_references(node.table) + parse_references(node.where or "")
        names = {segment.name for segment in texts if isinstance(segment, Reference)}
        inputs = self._validated.inputs.get(node_id, {})
        values = self._values(names.union(*(rule.names() for rule in rules)), node.variables, node_id, inputs)
        try:
            language = dialect(conn_type)
            mode = language.default_mode
            plan = AuditPlan(node.table, node.where or "", rules, values, language, mode, keep_unknown=True)
            shown["statements"] = [substitute(text, language) for text in plan.statements()]
        except (RefusedValue, UnknownDialect, WrongAudit, WrongName) as error:
            raise _NodeFails(str(error)) from None

    def _show_script(self, node_id: str, node: Any, shown: dict[str, Any]) -> None:
        from dms_provider.scripts.fill import RefusedScript, fill_script

        written = node.script or self._validated.file_texts.get(("nodes", node_id, "script_file"))
        if written is None:
            shown["script_file"] = self._of_the_author(node_id, node, node.script_file)
            return
        segments = parse_references(written, foreign=True)
        names = {segment.name for segment in segments if isinstance(segment, Reference)}
        values = self._values(names, node.variables, node_id, self._validated.inputs.get(node_id, {}))
        typed = self._with_declared_types(values)
        try:
            shown["script"] = fill_script(splice(segments, typed, keep_unknown=True), node.script_type)
        except RefusedScript as error:
            raise _NodeFails(str(error)) from None

    def _with_declared_types(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Return the values with outputs as the nodes that give them declare them."""
        declared = {
            name: output.type
            for node in self._validated.flow.nodes.values()
            for name, output in getattr(node, "outputs", {}).items()
        }
        return {
            name: Data(value.elements, combiner=value.combiner, type=declared.get(name, value.type))
            if isinstance(value, Data)
            else value
            for name, value in values.items()
        }

    def _show_look(self, node_id: str, node: Any, shown: dict[str, Any]) -> None:
        from dms_provider.dialects import RefusedValue, UnknownDialect, WrongName, dialect, substitute
        from dms_provider.sensors.newer_rows import NewerRows, WrongCheck

        shown["statements"] = []
        conn_type = self._conn_type_of(node.database)
        if conn_type is None:
            raise _NodeFails(f"there is no connection {node.database!r} here; give --dialect TYPE")
        rows = NewerRows(
            table=node.table,
            time_column=node.time_column,
            since=node.since,
            where=node.where or "",
            time_format=node.time_format,
            inclusive=node.inclusive,
            timezone=self._scope.timezone,
        )
        inputs = self._validated.inputs.get(node_id, {})
        values = self._values(rows.names(), node.variables, node_id, inputs)
        try:
            language = dialect(conn_type)
            query = rows.query(values, language, language.default_mode, keep_unknown=True)
            shown["statements"] = [substitute(query, language)]
        except (RefusedValue, UnknownDialect, WrongCheck, WrongName) as error:
            raise _NodeFails(str(error)) from None

    def _show_dependency(self, node_id: str, node: Any, shown: dict[str, Any]) -> None:
        from dms_provider.dependencies import Dependency, window_of

        business_time = self.times.business_time.replace(tzinfo=None)
        window = window_of(node.window, node.flow, self._validated.flow_id)
        dependency = Dependency(
            flow=node.flow,
            node=node.node,
            window=window,
            need=node.need,
            first_run=node.first_run,
            on_failed=node.on_failed,
            timezone=self._scope.timezone,
            business_time=business_time.isoformat(),
            own_run="" if node.flow == self._validated.flow_id else None,
            is_manual=False,
        )
        try:
            span = dependency.span
        except OverflowError:
            raise _NodeFails(f"window {window} of {business_time} leads out of the calendar") from None
        begin = "any time" if span.first is None else f"{span.first:{_TIME}}"
        shown["checks"] = [
            f"{dependency}: business times from {begin} to {span.last:{_TIME}} ({dependency.timezone})"
        ]

    def _values(
        self,
        names: Iterable[str],
        node_variables: Mapping[str, str],
        node_id: str,
        inputs: Mapping[str, str],
    ) -> dict[str, Value]:
        return known_values(
            names,
            scope=self._scope,
            node_variables=node_variables,
            inputs=inputs,
            data=self._outputs,
            times=self.times,
            flow_id=self._validated.flow_id,
            node_id=node_id,
        )


_SHOWN: dict[str, Callable[[NodePreview, str, Any, dict[str, Any]], None]] = {
    "single_instance_sql": NodePreview._show_statements,
    "sql_assignment": NodePreview._show_statements,
    "conditional_branch": NodePreview._show_condition,
    "ecs_remote_command": NodePreview._show_script,
    "table_time_check": NodePreview._show_look,
    "audit": NodePreview._show_audit,
    "dependency_check": NodePreview._show_dependency,
}
"""Node type -> what adds to a node's preview."""
