"""Every ``${name}`` of a flow: is it one, does something define it, and may data stand where it stands.

Source: flow-spec, *Variables*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dag_factory.checks.names import Names
from dag_factory.checks.statements import ReadingLimit, check_places
from dag_factory.checks.texts import NodeText
from dag_factory.diagnostics import Finding, closest
from dms_provider.variables.references import Reference, ReferenceSyntaxError, parse_references
from dms_provider.variables.scope import SYSTEM_VARIABLES

if TYPE_CHECKING:
    from dag_factory.spec.flow import Flow
    from dag_factory.spec.nodes import Node

_OWN_DOLLARS = frozenset({"script", "condition"})
"""Kinds of texts whose own grammar says what a ``${`` is that begins no reference."""

_NAME = re.compile(r"\$\{([A-Za-z0-9_.]+)\}")

_TYPES_FOR_ANYWHERE = frozenset({"number", "identifier"})
"""An output of such a type may stand anywhere in a script."""


class VariableCheck:
    """Checks the references of one flow, and finds out what each node takes from which other.

    :param flow: the flow
    :param names: its names
    :param limit: of what is read of its SQL
    """

    def __init__(self, flow: Flow, names: Names, limit: ReadingLimit) -> None:
        self._flow = flow
        self._limit = limit
        self._names = names
        self._author_names = (SYSTEM_VARIABLES - {"run_id"}).union(names.shared)
        self._suggestions: dict[tuple[str, str], str | None] = {}
        self.inputs: dict[str, dict[str, str]] = {}
        """Node id -> name of an output that the node uses -> the node upstream that gives it."""

    def check(self, text: NodeText) -> Iterator[Finding]:
        """Yield what is wrong with the references of one text."""
        names = _NAME.findall(text.text)
        if self._are_of_the_author(text, set(names)) and text.text.count("${") == len(names):
            # Nearly every text: no object need be made for each of its references.
            return
        if text.kind not in _OWN_DOLLARS:
            yield from _no_references(text)
        segments = parse_references(text.text, foreign=True)
        node = self._flow.nodes[text.node_id]
        data: list[Reference] = []
        for segment in segments:
            if isinstance(segment, str):
                continue
            name = segment.name
            if name in node.variables:
                continue
            giver = self._names.giver(text.node_id, name)
            if giver is not None:
                self.inputs.setdefault(text.node_id, {})[name] = giver
                data.append(segment)
            elif name == "run_id" and name not in self._names.shared:
                data.append(segment)
            elif name not in self._names.shared and name not in SYSTEM_VARIABLES:
                yield from self._nobody_gives(text, segment, node)
        if data:
            if text.kind == "sql":
                yield from check_places(text, segments, data, self._limit)
            else:
                yield from self._check_places(text, node, data)

    def let_see_all(self, node_id: str) -> None:
        """Give a node every output upstream: it has a text that nobody can read before the node runs."""
        for name in self._names.seen_by(node_id):
            giver = self._names.giver(node_id, name)
            if giver is not None and name not in self._flow.nodes[node_id].variables:
                self.inputs.setdefault(node_id, {})[name] = giver

    def _are_of_the_author(self, text: NodeText, names: set[str]) -> bool:
        """Return whether all names are defined, and none of them is data."""
        if not names.isdisjoint(self._names.givers):
            return False
        own = self._flow.nodes[text.node_id].variables
        return names <= self._author_names or names <= self._author_names.union(own)

    def output_type(self, node_id: str, name: str) -> str:
        """Return the declared type of the output ``name`` that a node sees; ``text`` for other data."""
        giver = self._names.giver(node_id, name)
        output = getattr(self._flow.nodes[giver], "outputs", {}).get(name) if giver else None
        return str(getattr(output, "type", "text"))

    def _nobody_gives(self, text: NodeText, reference: Reference, node: Node) -> Iterator[Finding]:
        name = reference.name
        elsewhere = list(self._names.givers_of(name))
        if elsewhere:
            giver = elsewhere[0]
            where = f"{name!r} is an output of node {giver!r}, which is not upstream of this node"
            if text.kind == "script":
                message = f"{where}: the script reads ${{{name}}} as a variable of its own"
                yield Finding(text.path, "not-upstream", message, offset=reference.start, severity="warning")
                return
            message = f"{where}: add it to 'after'"
            if giver == text.node_id:
                message = (
                    f"{name!r} is an output of this node itself: it has no value before the node has run"
                )
            elif self._names.is_upstream(text.node_id, of=giver):
                message = f"{name!r} is an output of node {giver!r}, which runs after this node"
            yield Finding(text.path, "not-upstream", message, offset=reference.start)
            return
        if text.kind == "script":
            return
        nodes = self._flow.nodes.items()
        owner = next((other for other, known in nodes if name in known.variables), None)
        if owner is not None:
            message = f"{name!r} is a variable of node {owner!r} only: define it here, or for the whole flow"
            suggestion = None
        else:
            message = f"nothing defines {name!r}: it is no variable, constant, secret or upstream output"
            suggestion = self._suggestion(text.node_id, node, name)
        yield Finding(text.path, "undefined-variable", message, offset=reference.start, suggestion=suggestion)

    def _suggestion(self, node_id: str, node: Node, name: str) -> str | None:
        asked = (node_id, name)
        if asked not in self._suggestions:
            known = [*self._names.seen_by(node_id), *node.variables, *SYSTEM_VARIABLES]
            self._suggestions[asked] = closest(name, known)
        return self._suggestions[asked]

    def _check_places(self, text: NodeText, node: Node, data: list[Reference]) -> Iterator[Finding]:
        if text.kind == "author":
            for reference in data:
                yield Finding(
                    text.path,
                    "misplaced-data",
                    f"{_what(reference)}, and no data may stand in {text.path[2]!r}; use a constant",
                    offset=reference.start,
                )
        elif text.kind == "script":
            from dms_provider.scripts.fill import no_variables
            from dms_provider.scripts.places import misplaced

            script_type = str(getattr(node, "script_type", "shell"))
            free = [
                reference
                for reference in data
                if self.output_type(text.node_id, reference.name) not in _TYPES_FOR_ANYWHERE
            ]
            reason = no_variables(text.text, script_type) if free else None
            if reason is not None:
                for reference in free:
                    message = f"{_what(reference)}, which {reason}"
                    yield Finding(text.path, "misplaced-data", message, offset=reference.start)
                return
            refused = set(misplaced(text.text, (reference.start for reference in free), script_type))
            for reference in free:
                if reference.start in refused:
                    yield Finding(
                        text.path,
                        "misplaced-data",
                        f"{_what(reference)}: in a script it may stand only as text inside double quotes,"
                        f' "${{{reference.name}}}", and not where the script calculates or runs what it'
                        " reads, such as $( ), unless its type is number or identifier",
                        offset=reference.start,
                    )


def _no_references(text: NodeText) -> Iterator[Finding]:
    """Yield a finding for each ``${`` that is no reference."""
    start = 0
    while (error := _first_mistake(text.text[start:])) is not None:
        yield Finding(text.path, "wrong-reference", error.message, offset=start + error.offset)
        start += error.offset + 2


def _first_mistake(text: str) -> ReferenceSyntaxError | None:
    try:
        parse_references(text)
    except ReferenceSyntaxError as error:
        return error
    return None


def _what(reference: Reference) -> str:
    if reference.name == "run_id":
        return "${run_id} is whatever the trigger said"
    return f"${{{reference.name}}} is data"
