"""What can be read of a spec with mistakes, so that its other mistakes can be told in the same go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dag_factory.diagnostics import Finding, Path
from dag_factory.spec.flow import Flow
from dag_factory.spec.mistakes import findings_of
from dag_factory.spec.model import SpecModel
from dag_factory.spec.nodes import NODE_TYPES, Node, node_model, raise_type_mistake
from dag_factory.spec.nodes.broken import BrokenNode
from dag_factory.spec.parsing import calendar_findings

_ROUNDS = 16
"""Taking a wrong value away can make its mapping wrong, and that one's mapping in turn."""
_STAND_INS = {"version": "1", "owner": "unknown"}
"""What a flow must have. They let the rest of a flow be read that lacks them."""


@dataclass(frozen=True)
class Parsed:
    """What a spec says, as far as it could be read.

    :param flow: without what is wrong; a node with mistakes is a :class:`BrokenNode`. ``None`` where
        ``nodes`` is no mapping. Good for looking for more mistakes, never for building
    :param findings: all that the models refuse
    """

    flow: Flow | None
    findings: list[Finding]


def parse_partly(values: dict[str, Any]) -> Parsed:
    """Return what can be read of a spec's values, and everything that is wrong with them.

    :param values: of a :class:`dag_factory.source.Document`
    """
    found: list[Finding] = []
    given = values.get("nodes")
    if not isinstance(given, dict):
        _, found = _without_mistakes(Flow, values)
        return Parsed(None, found)
    nodes = {node_id: _parse_node(node, ("nodes", node_id), found) for node_id, node in given.items()}
    flow, found_above = _without_mistakes(Flow, {**values, "nodes": nodes})
    found += found_above
    if not isinstance(flow, Flow):
        return Parsed(None, found)
    flow = flow.model_copy(update={"nodes": nodes})
    return Parsed(flow, found + calendar_findings(flow))


def _parse_node(given: Any, path: Path, found: list[Finding]) -> Node:
    if not isinstance(given, dict):
        found += _type_findings(given, path)
        return BrokenNode.model_construct(type="")
    node_type = given.get("type")
    if not isinstance(node_type, str) or node_type not in NODE_TYPES:
        found += _type_findings(given, path)
        common, errors = _common(given, path)
        found += [finding for finding in errors if finding.path[:-1] != path or finding.path[-1] != "type"]
        return _broken(given, common, errors, BrokenNode)
    model = node_model(node_type)
    node, errors = _without_mistakes(model, given, path)
    found += errors
    if not errors and isinstance(node, Node):
        return node
    return _broken(given, _common(given, path)[0], [f for f in errors if f.code != "missing-key"], model)


def _common(given: dict[str, Any], path: Path) -> tuple[Node, list[Finding]]:
    """Read the keys that all node types have."""
    keys = {key: given[key] for key in Node.model_fields if key in given}
    node, errors = _without_mistakes(BrokenNode, {**keys, "type": str(given.get("type"))}, path)
    return (node if isinstance(node, Node) else BrokenNode.model_construct(type="")), errors


def _broken(given: dict[str, Any], common: Node, errors: list[Finding], model: type[Node]) -> BrokenNode:
    outputs = given.get("outputs")
    return BrokenNode.model_construct(
        **{name: getattr(common, name) for name in Node.model_fields},
        given={key: value for key, value in given.items() if not _is_wrong(key, errors)},
        outputs=outputs if isinstance(outputs, dict) else {},
        kinds=model.TEXTS,
        queries=model.ONE_QUERY,
    )


def _is_wrong(key: str, errors: list[Finding]) -> bool:
    return any(finding.path[2:3] == (key,) for finding in errors)


def _type_findings(given: Any, path: Path) -> list[Finding]:
    try:
        raise_type_mistake(given)
    except ValidationError as error:
        return list(findings_of(error, Node, path))


def _without_mistakes(
    model: type[SpecModel], given: dict[str, Any], above: Path = ()
) -> tuple[SpecModel | None, list[Finding]]:
    """Validate; where that fails, validate again what is left without the values that were refused.

    :return: what could be read, and what was wrong the first time
    """
    first: list[Finding] = []
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(given), first
        except ValidationError as error:
            found = list(findings_of(error, model, above))
        first = first or found
        given = _pruned(given, {finding.path[len(above) :] for finding in found})
        if model is Flow and all(finding.code == "missing-key" and not finding.path for finding in found):
            given = {**_STAND_INS, **given}
    return None, first


def _pruned(given: Any, wrong: set[Path]) -> Any:
    if isinstance(given, dict):
        return {
            key: _pruned(value, {path[1:] for path in wrong if path[:1] == (key,)})
            for key, value in given.items()
            if (key,) not in wrong
        }
    if isinstance(given, list):
        return [
            _pruned(value, {path[1:] for path in wrong if path[:1] == (number,)})
            for number, value in enumerate(given)
            if (number,) not in wrong
        ]
    return given
