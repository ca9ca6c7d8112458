"""References ``${name}`` where nobody reads them.

Source: flow-spec, *Variables* ("Notices take no ``${}``") and the keys of each node type.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from dag_factory.checks.texts import texts_of
from dag_factory.diagnostics import Finding, Path
from dag_factory.spec.nodes import NODE_TYPES, node_model
from dag_factory.spec.nodes.common import texts_below

if TYPE_CHECKING:
    from dag_factory.spec.flow import Flow

_REFERENCE = re.compile(r"\$\{[A-Za-z0-9_.]*\}")
_REFUSED = frozenset({"unknown-key", "wrong-type", "wrong-value"})
"""Codes of findings that say enough of everything below their place."""


def check_plain_values(flow: Flow, values: dict[str, Any], found: Collection[Finding]) -> Iterator[Finding]:
    """Yield a finding for each reference in a value that takes none.

    Patterns are not looked at, they have a grammar of their own, nor descriptions, which may talk of
    variables.

    :param flow: what could be read of the spec
    :param values: the spec as it is written
    :param found: what is known to be wrong with it
    """
    passed: set[Path] = {text.path for text in texts_of(flow)}
    passed.update(_texts_of_wrong_nodes(values, found))
    passed.update(finding.path for finding in found if finding.code in _REFUSED)
    passed.update(("nodes", node_id) for node_id, node in flow.nodes.items() if node.type not in NODE_TYPES)
    for path, text in _texts_below(values, (), passed):
        reference = _REFERENCE.search(text)
        if reference is None:
            continue
        if path[0] == "constants":
            message = f"a constant is fixed text: {reference.group()} in it stays as it is written"
            yield Finding(path, "wrong-reference", message, offset=reference.start(), severity="warning")
        else:
            key = next(step for step in reversed(path) if isinstance(step, str))
            message = f"'{key}' takes no ${{}}: nothing would replace {reference.group()}; write the value"
            yield Finding(path, "wrong-reference", message, offset=reference.start())


def _texts_of_wrong_nodes(values: dict[str, Any], found: Collection[Finding]) -> Iterator[Path]:
    """Yield where references are read in nodes of which a part could not be kept, such as a list of rules."""
    for node_id in {
        finding.path[1] for finding in found if finding.path[:1] == ("nodes",) and finding.path[1:]
    }:
        node = values["nodes"].get(node_id)
        if isinstance(node, dict) and isinstance(node.get("type"), str) and node["type"] in NODE_TYPES:
            for keys in node_model(node["type"]).TEXTS:
                yield from (("nodes", node_id, *path) for path, _ in texts_below(node, keys))


def _texts_below(value: Any, path: Path, passed: set[Path]) -> Iterator[tuple[Path, str]]:
    if path in passed or path[-1:] == ("description",):
        return
    if isinstance(value, str):
        # A list of one element may be written without brackets.
        if "${" in value and (*path, 0) not in passed:
            yield path, value
    elif isinstance(value, dict):
        if path[-1:] == ("variables",) and len(path) in (1, 3):
            return
        for key, below in value.items():
            yield from _texts_below(below, (*path, key), passed)
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _texts_below(below, (*path, index), passed)
