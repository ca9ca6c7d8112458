"""The edges of a flow: unknown nodes, cycles, and which nodes lie upstream of which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dag_factory.diagnostics import Finding, Path, closest

MAX_CYCLES = 100
"""So many cycles of one flow are reported at most: a knot has more cycles than anybody reads."""


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes of a flow with everything upstream of each. Node sets are bit masks over file order.

    :param bits: node id -> the bit of the node
    :param parents: node id -> bits of the nodes directly upstream
    :param upstream: node id -> bits of all nodes upstream, at any distance
    """

    bits: Mapping[str, int]
    parents: Mapping[str, int]
    upstream: Mapping[str, int]
    is_acyclic: bool

    @classmethod
    def of(cls, after: Mapping[str, Sequence[str]]) -> Graph:
        """Build the graph; names of nodes that are not there count for nothing.

        :param after: node id -> ids of the nodes directly upstream, in file order
        """
        bits: dict[str, int] = {}
        bit = 1
        for node in after:
            bits[node] = bit
            bit <<= 1
        parents: dict[str, int] = {}
        upstream: dict[str, int] = {}
        later: list[str] = []
        for node, named in after.items():
            direct = above = 0
            for parent in named:
                if parent in upstream:
                    direct |= bits[parent]
                    above |= bits[parent] | upstream[parent]
                elif parent in bits:
                    direct |= bits[parent]
                    above = -1
                    break
            if above < 0:
                later.append(node)
                for parent in named:
                    direct |= bits.get(parent, 0)
            else:
                upstream[node] = above
            parents[node] = direct
        is_acyclic = not later or _settle(later, after, bits, upstream)
        return cls(bits, parents, upstream, is_acyclic)

    def nodes(self, mask: int) -> Iterator[str]:
        """Yield the ids of the nodes in ``mask``, in file order."""
        for node, bit in self.bits.items():
            if bit & mask:
                yield node


def check_graph(after: Mapping[str, Sequence[str]], graph: Graph) -> Iterator[Finding]:
    """Yield what is wrong with the edges of a flow.

    :param after: node id -> ids of the nodes directly upstream
    :param graph: the same as a graph
    """
    bits = graph.bits
    for node, named in after.items():
        if not named:
            continue
        for index, parent in enumerate(named):
            path: Path = ("nodes", node, "after", index)
            if parent == node:
                yield Finding(path, "cycle", f"node {node!r} waits for itself: {node} -> {node}")
            elif parent not in bits:
                yield Finding(
                    path,
                    "unknown-node",
                    f"there is no node {parent!r} in this flow",
                    suggestion=closest(parent, (known for known in bits if known != node)),
                )
        if len(named) != len(set(named)):
            yield from _repeated(node, named)
    if not graph.is_acyclic:
        yield from _cycles(after)


def _repeated(node: str, named: Sequence[str]) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, parent in enumerate(named):
        if parent in seen:
            yield Finding(
                ("nodes", node, "after", index),
                "defined-twice",
                f"node {parent!r} is named twice in this list",
            )
        seen.add(parent)


def _settle(
    later: list[str], after: Mapping[str, Sequence[str]], bits: Mapping[str, int], upstream: dict[str, int]
) -> bool:
    """Fill in ``upstream`` of nodes that stand before one of their parents; whether no knot is left."""
    children: dict[str, list[str]] = {}
    missing: dict[str, int] = {}
    for node in later:
        waiting = {parent for parent in after[node] if parent in bits and parent not in upstream}
        missing[node] = len(waiting)
        for parent in waiting:
            children.setdefault(parent, []).append(node)
    ready = [node for node in later if not missing[node]]
    while ready:
        node = ready.pop()
        upstream[node] = _above(after[node], bits, upstream)
        for child in children.get(node, ()):
            missing[child] -= 1
            if not missing[child]:
                ready.append(child)
    knotted = [node for node in later if node not in upstream]
    if not knotted:
        return True
    for node in knotted:
        upstream[node] = 0
    changed = True
    while changed:
        changed = False
        for node in knotted:
            above = _above(after[node], bits, upstream)
            if above != upstream[node]:
                upstream[node] = above
                changed = True
        knotted.reverse()
    return False


def _above(named: Sequence[str], bits: Mapping[str, int], upstream: Mapping[str, int]) -> int:
    above = 0
    for parent in named:
        if parent in bits:
            above |= bits[parent] | upstream[parent]
    return above


def _cycles(after: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Yield one finding for each edge that closes a cycle in a walk against the edges, depth first."""
    found = 0
    done: set[str] = set()
    for start in after:
        if start in done:
            continue
        trail = [start]
        place = {start: 0}
        edges = [iter(enumerate(after[start]))]
        while trail:
            node = trail[-1]
            for index, parent in edges[-1]:
                if parent == node or parent not in after or parent in done:
                    continue
                if parent in place:
                    walked = trail[place[parent] :]
                    names = " -> ".join([parent, *reversed(walked)])
                    yield Finding(
                        ("nodes", node, "after", index), "cycle", f"these nodes wait for each other: {names}"
                    )
                    found += 1
                    if found == MAX_CYCLES:
                        return
                    continue
                place[parent] = len(trail)
                trail.append(parent)
                edges.append(iter(enumerate(after[parent])))
                break
            else:
                done.add(node)
                del place[node]
                trail.pop()
                edges.pop()
