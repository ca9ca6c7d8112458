"""Which nodes belong to a run, and to what the flow decides for its own nodes. Pure graph work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Graph = Mapping[str, Iterable[str]]
"""Node id -> ids of the nodes directly downstream."""


def downstream(graph: Graph, node: str) -> set[str]:
    """Return the nodes below one, near and far, without itself."""
    reached: set[str] = set()
    ahead = list(graph.get(node, ()))
    while ahead:
        child = ahead.pop()
        if child not in reached:
            reached.add(child)
            ahead.extend(graph.get(child, ()))
    return reached


def not_selected(graph: Graph, *, node: str | None, from_node: str | None) -> set[str]:
    """Return the nodes that a run of one node, or from a node on, leaves out when it starts.

    What is below a single node is not among them: the node itself skips it once it has succeeded, so that
    its failure reaches the end of the run.

    :param graph: of the whole flow
    :param node: the only node to run
    :param from_node: the node to run, with everything below it
    """
    first = node or from_node
    if first is None:
        return set()
    return set(graph) - {first} - downstream(graph, first)
