"""Plain values become a flow, or all that is wrong with them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dag_factory.diagnostics import Finding, Path, closest
from dag_factory.spec.flow import Flow
from dag_factory.spec.mistakes import findings as findings_of
from dag_factory.spec.model import SpecModel
from dag_factory.spec.nodes import NODE_TYPES, Node, node_model
from dag_factory.spec.nodes.common import BrokenNode
from dag_factory.spec.scalars import EXPECTED, ID_PATTERN, found_words
from dag_factory.spec.schedule import Schedule

RESERVED_PREFIX = "dms__"
_ID = re.compile(ID_PATTERN)
_BROKEN = BrokenNode(type="")


@dataclass(frozen=True)
class Parsed:
    """What a spec says, as far as it could be read.

    :param flow: without what is wrong; a node with mistakes is a :class:`BrokenNode`. ``None`` where there is no
        telling what the flow is. Good for looking for more mistakes, never for building
    :param findings: all that is wrong
    """

    flow: Flow | None
    findings: list[Finding]


def parse_flow(values: dict[str, Any]) -> Flow | list[Finding]:
    """Return the flow that a spec's values describe, or everything that is wrong with them.

    :param values: of a :class:`dag_factory.source.Document`
    """
    nodes = values.get("nodes")
    if type(nodes) is dict:
        try:
            parsed = {
                node_id: node_model(given["type"]).model_validate(given) for node_id, given in nodes.items()
            }
            flow = Flow.model_validate({**values, "nodes": parsed})
        except (ValidationError, KeyError, TypeError):
            return parse_partly(values).findings
        if not any(node_id.startswith(RESERVED_PREFIX) for node_id in nodes):
            if flow.schedule is None:
                return flow
            found = _calendar_findings(flow.schedule)
            return found or flow
    return parse_partly(values).findings


def parse_partly(values: dict[str, Any]) -> Parsed:
    """Return what can be read of a spec's values, and everything that is wrong with them.

    :param values: of a :class:`dag_factory.source.Document`
    """
    found: list[Finding] = []
    given = values.get("nodes")
    nodes: dict[str, Node] | None = None
    if isinstance(given, dict):
        nodes = {}
        for node_id, node in given.items():
            found += _id_findings(node_id)
            nodes[node_id] = _parse_node(node, ("nodes", node_id), found)
    raw = values if nodes is None else {**values, "nodes": dict.fromkeys(nodes, _BROKEN)}
    kept, errors = _without_mistakes(Flow, raw)
    found += [finding for finding in errors if finding.path[:1] != ("nodes",) or len(finding.path) == 1]
    flow = None
    if nodes is not None:
        flow = Flow.model_construct(
            **{name: getattr(kept, name) for name in Flow.model_fields} if kept else {}
        )
        flow = flow.model_copy(update={"nodes": nodes})
    schedule = kept.schedule if isinstance(kept, Flow) else None
    if schedule is not None:
        found += _calendar_findings(schedule)
    return Parsed(flow, found)


def _id_findings(node_id: str) -> list[Finding]:
    path: Path = ("nodes", node_id)
    if not _ID.fullmatch(node_id):
        message = f"expected a node id of {EXPECTED[ID_PATTERN]}, found {found_words(node_id)}"
        return [Finding(path, "wrong-value", message, at_key=True)]
    if node_id.startswith(RESERVED_PREFIX):
        message = f"node ids that begin with '{RESERVED_PREFIX}' are taken; rename '{node_id}'"
        return [Finding(path, "wrong-value", message, at_key=True)]
    return []


def _parse_node(given: Any, path: Path, found: list[Finding]) -> Node:
    if not isinstance(given, dict):
        message = f"expected a node, a mapping with 'type', found {found_words(given)}"
        found.append(Finding(path, "wrong-type", message))
        return _BROKEN
    model = _type_of(given, path, found)
    kept, errors = _without_mistakes(model, given, path)
    if model is BrokenNode:
        errors = [finding for finding in errors if finding.path != path or finding.code != "missing-key"]
    found += errors
    if not errors and isinstance(kept, Node) and model is not BrokenNode:
        return kept
    outputs = given.get("outputs")
    common, _ = _without_mistakes(BrokenNode, {key: given[key] for key in Node.model_fields if key in given})
    good = common if isinstance(common, Node) else _BROKEN
    return BrokenNode.model_construct(
        **{name: getattr(good, name) for name in Node.model_fields},
        given={key: value for key, value in given.items() if _is_clean(path + (key,), errors)},
        outputs=outputs if isinstance(outputs, dict) else {},
        kinds=model.TEXTS,
    )


def _is_clean(path: Path, errors: list[Finding]) -> bool:
    return not any(finding.path[: len(path)] == path and finding.code != "missing-key" for finding in errors)


def _type_of(given: dict[str, Any], path: Path, found: list[Finding]) -> type[Node]:
    node_type = given.get("type")
    if "type" not in given:
        types = ", ".join(NODE_TYPES)
        found.append(Finding(path, "missing-key", f"key 'type' is missing; one of {types}"))
    elif not isinstance(node_type, str):
        message = f"expected a node type, found {found_words(node_type)}"
        found.append(Finding((*path, "type"), "wrong-type", message))
    elif node_type not in NODE_TYPES:
        message = f"unknown node type {found_words(node_type)}; one of {', '.join(NODE_TYPES)}"
        suggestion = closest(node_type.lower().replace("-", "_"), NODE_TYPES)
        found.append(Finding((*path, "type"), "unknown-type", message, suggestion=suggestion))
    else:
        return node_model(node_type)
    return BrokenNode


def _calendar_findings(schedule: Schedule) -> list[Finding]:
    from dms_provider.schedules import ScheduleError

    try:
        schedule.to_schedule()
    except ScheduleError as error:
        field = getattr(error, "field", None)
        below = _CALENDAR_PATHS.get(str(field), (schedule.kind,))
        return [
            Finding(("schedule", *below), "wrong-schedule", getattr(error, "message", None) or str(error))
        ]
    return []


_CALENDAR_PATHS: dict[str, Path] = {
    "timezone": ("timezone",),
    "effective_from": ("effective", "from"),
    "effective_to": ("effective", "to"),
    "start_late": ("start_late",),
}


def _without_mistakes(
    model: type[SpecModel], given: dict[str, Any], above: Path = ()
) -> tuple[SpecModel | None, list[Finding]]:
    """Validate; after that, validate again what is left without the values that were refused.

    :return: what could be read, and what was wrong the first time
    """
    first: list[Finding] | None = None
    for _ in range(4):
        try:
            return model.model_validate(given), first or []
        except ValidationError as error:
            found = list(findings_of(error, model, above))
            if first is None:
                first = found
            given = _pruned(given, {finding.path[len(above) :] for finding in found}, model)
    return None, first or []


_STAND_INS = {"version": "1", "owner": "unknown"}


def _pruned(given: Any, wrong: set[Path], model: type[SpecModel]) -> Any:
    if isinstance(given, dict):
        kept = {
            key: _pruned(value, {path[1:] for path in wrong if path[:1] == (key,)}, model)
            for key, value in given.items()
            if (key,) not in wrong
        }
        if () in wrong and model is Flow and "nodes" in given:
            return {**_STAND_INS, **kept}
        return kept
    if isinstance(given, list):
        return [
            _pruned(value, {path[1:] for path in wrong if path[:1] == (number,)}, model)
            for number, value in enumerate(given)
            if (number,) not in wrong
        ]
    return given
