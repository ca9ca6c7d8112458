"""All checks of one flow, in the order in which they build on each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from dag_factory.checks.files import FILE_KEYS, LoadedFile, UnreadableFile, load_file
from dag_factory.checks.graph import Graph, check_graph
from dag_factory.checks.names import Names, check_names
from dag_factory.checks.patterns import check_time_formats
from dag_factory.checks.points_in_time import check_points_in_time
from dag_factory.checks.statements import ReadingLimit, check_expression, check_sql
from dag_factory.checks.texts import NodeText, texts_of
from dag_factory.checks.variables import VariableCheck
from dag_factory.diagnostics import Finding, Path

if TYPE_CHECKING:
    from dag_factory.spec.flow import Flow


class FlowCheck:
    """Checks one flow, and keeps what it found out on the way.

    :param flow: a flow whose keys and values are right, each by itself
    :param path: of its spec; ``None`` for a spec that is in no file
    :param root: the folder that holds all specs; default: that of the spec
    """

    def __init__(self, flow: Flow, path: FilePath | None, root: FilePath | None) -> None:
        self._flow = flow
        self._path = path
        self._root = root
        self._limit = ReadingLimit()
        self.files: dict[Path, LoadedFile] = {}
        """Path of the key that names a file -> what was read."""
        self.reference_count = 0
        """How many ``${`` the spec has where references are read."""
        self.inputs: Mapping[str, Mapping[str, str]] = {}
        """Node id -> name of an output that the node uses -> the node upstream that gives it."""

    def run(self) -> Iterator[Finding]:
        """Yield everything that is wrong with the flow."""
        flow = self._flow
        after = {node_id: node.after for node_id, node in flow.nodes.items()}
        graph = Graph.of(after)
        edges = list(check_graph(after, graph))
        if edges:
            # One wrong word in 'after' must not make every name that would come that way a problem too.
            graph = Graph.of(_as_meant(after, edges))
        names = Names(flow, graph)
        variables = VariableCheck(flow, names, self._limit)
        self.inputs = variables.inputs
        yield from edges
        yield from check_names(flow, graph, names)
        yield from check_time_formats(flow)
        yield from check_points_in_time(flow)
        for text in texts_of(flow):
            self.reference_count += text.text.count("${")
            yield from self._check_text(text, variables)
            if text.keys in FILE_KEYS:
                yield from self._check_file(text, variables)

    def _check_text(self, text: NodeText, variables: VariableCheck) -> Iterator[Finding]:
        kind = text.kind
        if kind == "condition":
            from dag_factory.checks.conditions import check_condition

            yield from check_condition(text, self._flow.nodes[text.node_id], variables)
            return
        if "${" in text.text:
            yield from variables.check(text)
        if kind == "sql":
            yield from check_sql(text, self._flow.nodes[text.node_id], self._limit)
        elif kind == "expression":
            yield from check_expression(text, self._limit)

    def _check_file(self, text: NodeText, variables: VariableCheck) -> Iterator[Finding]:
        """Read the file that a text names, and check what is in it."""
        try:
            loaded = load_file(text.text, self._path, self._root)
        except UnreadableFile as reason:
            yield Finding(text.path, "unreadable-file", str(reason))
            return
        if loaded is None:
            variables.let_see_all(text.node_id)
        else:
            self.files[text.path] = loaded
            content = NodeText(text.node_id, text.keys, loaded.text, FILE_KEYS[text.keys])
            yield from self._check_text(content, variables)


def _as_meant(after: Mapping[str, Sequence[str]], findings: Iterable[Finding]) -> dict[str, list[str]]:
    """Return the edges with the suggested node in the place of each that is not there."""
    meant = {node_id: list(named) for node_id, named in after.items()}
    for finding in findings:
        if finding.suggestion is not None:
            _, node_id, _, index = finding.path
            meant[str(node_id)][int(index)] = finding.suggestion
    return meant
