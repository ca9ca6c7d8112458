"""Who defines which name of a flow, and which node can see it.

Source: flow-spec, *Variables*.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dag_factory.checks.graph import Graph
from dag_factory.checks.patterns import check_patterns
from dag_factory.diagnostics import Finding

if TYPE_CHECKING:
    from dag_factory.spec.flow import Flow

_SHARED = {"variables": "a flow variable", "constants": "a constant", "secrets": "a secret"}
"""Keys of a flow whose names all its nodes see -> what such a name is."""


class Names:
    """The names of one flow.

    :param flow: the flow
    :param graph: of its nodes
    """

    __slots__ = ("_graph", "_nodes", "givers", "shared")

    def __init__(self, flow: Flow, graph: Graph) -> None:
        self._graph = graph
        self._nodes = list(graph.bits)
        self.shared: dict[str, str] = {}
        """Name of the flow -> the key that defines it."""
        self.givers: dict[str, int] = {}
        """Name of an output -> bits of the nodes that give it."""
        for key in _SHARED:
            for name in getattr(flow, key) or ():
                self.shared.setdefault(name, key)
        for node_id, node in flow.nodes.items():
            for name in vars(node).get("outputs") or ():
                self.givers[name] = self.givers.get(name, 0) | graph.bits[node_id]

    def giver(self, node_id: str, name: str) -> str | None:
        """Return the node upstream of ``node_id`` that gives the output ``name``, if there is one."""
        found = self.givers.get(name, 0) & self._graph.upstream[node_id]
        return self._nodes[(found & -found).bit_length() - 1] if found else None

    def is_upstream(self, node_id: str, *, of: str) -> bool:
        """Return whether a node lies upstream of another."""
        return bool(self._graph.bits[node_id] & self._graph.upstream[of])

    def givers_of(self, name: str) -> Iterator[str]:
        """Yield the nodes that give the output ``name``, wherever they lie."""
        return self._graph.nodes(self.givers.get(name, 0))

    def seen_by(self, node_id: str) -> Iterator[str]:
        """Yield the names of the flow and of the outputs that a node can see."""
        yield from self.shared
        above = self._graph.upstream[node_id]
        for name, givers in self.givers.items():
            if givers & above:
                yield name


def check_names(flow: Flow, graph: Graph, names: Names) -> Iterator[Finding]:
    """Yield patterns that cannot be read, and names that one node would see twice."""
    taken: dict[str, str] = {}
    for key in _SHARED:
        for name in getattr(flow, key) or ():
            if name in taken:
                yield Finding(
                    (key, name),
                    "defined-twice",
                    f"{name!r} is already {_SHARED[taken[name]]}; rename one of the two",
                    at_key=True,
                )
            else:
                taken[name] = key
        if key == "variables":
            yield from check_patterns((key,), flow.variables or {})
    for node_id, node in flow.nodes.items():
        if not node.variables:
            continue
        yield from check_patterns(("nodes", node_id, "variables"), node.variables)
        for name in node.variables:
            if name in taken:
                other = f"already {_SHARED[taken[name]]} of the flow"
            elif (giver := names.giver(node_id, name)) is not None:
                other = f"already an output of node {giver!r}, which is upstream"
            else:
                continue
            path = ("nodes", node_id, "variables", name)
            yield Finding(path, "defined-twice", f"{name!r} is {other}; rename one of the two", at_key=True)
    yield from _check_outputs(graph, names)


def _check_outputs(graph: Graph, names: Names) -> Iterator[Finding]:
    followed = 0
    for above in graph.parents.values():
        followed |= above
    for name, givers in names.givers.items():
        if name in names.shared:
            # Nobody sees both names where nothing is downstream of the node.
            for node_id in graph.nodes(givers & followed):
                yield Finding(
                    ("nodes", node_id, "outputs", name),
                    "defined-twice",
                    f"{name!r} is already {_SHARED[names.shared[name]]} of the flow; rename one of the two",
                    at_key=True,
                )
        if givers & (givers - 1):
            yield from _check_givers(graph, name, givers)


def _check_givers(graph: Graph, name: str, givers: int) -> Iterator[Finding]:
    """Yield a finding for each giver of ``name`` that some node sees beside one that stands before it."""
    told = 0
    for observer, above in graph.upstream.items():
        seen = givers & above
        behind_the_first = seen & (seen - 1) & ~told
        if not behind_the_first:
            continue
        told |= behind_the_first
        first = next(graph.nodes(seen & -seen))
        for node_id in graph.nodes(behind_the_first):
            yield Finding(
                ("nodes", node_id, "outputs", name),
                "defined-twice",
                f"node {observer!r} sees two outputs {name!r}, of {first!r} and of {node_id!r}; rename one",
                at_key=True,
            )
        if told == givers & (givers - 1):
            return
