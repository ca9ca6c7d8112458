from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dag_factory.checks.graph import MAX_CYCLES, Graph, check_graph
from dag_factory.diagnostics import Finding

NODES = [f"n{number}" for number in range(7)]
flows = st.lists(st.lists(st.sampled_from(NODES), max_size=4, unique=True), min_size=1, max_size=7).map(
    lambda lists: dict(zip(NODES, lists, strict=False))
)


def problems(after: Mapping[str, Sequence[str]]) -> list[Finding]:
    return list(check_graph(after, Graph.of(after)))


def reachable(after: Mapping[str, Sequence[str]], node: str) -> set[str]:
    """What lies upstream of a node, by the plainest walk there is."""
    found: set[str] = set()
    ahead = list(after[node])
    while ahead:
        parent = ahead.pop()
        if parent in after and parent not in found:
            found.add(parent)
            ahead.extend(after[parent])
    return found


@given(flows)
def test_upstream_is_what_a_walk_reaches(after: dict[str, list[str]]) -> None:
    graph = Graph.of(after)
    for node in after:
        assert set(graph.nodes(graph.upstream[node])) == reachable(after, node)
        assert set(graph.nodes(graph.parents[node])) == set(after[node]) & set(after)


@given(flows)
def test_a_cycle_is_told_exactly_where_there_is_one(after: dict[str, list[str]]) -> None:
    told = [finding for finding in problems(after) if finding.code == "cycle"]
    assert bool(told) == any(node in reachable(after, node) for node in after)
    for finding in told:
        names = finding.message.rsplit(": ", 1)[1].split(" -> ")
        assert names[0] == names[-1]
        assert len(set(names)) == len(names) - 1
        assert all(before in after[behind] for before, behind in itertools.pairwise(names))
        _, node, _, index = finding.path
        assert (after[str(node)][int(index)], node) in itertools.pairwise(names)


def test_the_whole_path_of_a_cycle_is_printed() -> None:
    (finding,) = problems({"a": ["c"], "b": ["a"], "c": ["b"], "d": ["c"]})
    assert finding.code == "cycle"
    assert finding.path == ("nodes", "b", "after", 0)
    assert finding.message == "these nodes wait for each other: a -> b -> c -> a"


def test_cycles_that_share_a_node_are_both_told() -> None:
    found = problems({"a": ["b"], "b": ["a", "c"], "c": ["b"]})
    assert [finding.code for finding in found] == ["cycle", "cycle"]


def test_a_node_that_waits_for_itself() -> None:
    (finding,) = problems({"a": [], "b": ["a", "b"]})
    assert (finding.code, finding.path) == ("cycle", ("nodes", "b", "after", 1))


@pytest.mark.parametrize(("named", "suggestion"), [("lode", "load"), ("zzz", None), ("ward", None)])
def test_unknown_node(named: str, suggestion: str | None) -> None:
    (finding,) = problems({"load": [], "word": [], "warn": [named]} if named != "ward" else {"warn": [named]})
    assert (finding.code, finding.path, finding.suggestion) == (
        "unknown-node",
        ("nodes", "warn", "after", 0),
        suggestion,
    )


def test_a_node_named_twice() -> None:
    (finding,) = problems({"a": [], "b": ["a", "a"]})
    assert (finding.code, finding.path) == ("defined-twice", ("nodes", "b", "after", 1))


@pytest.mark.parametrize("shape", ["chain", "reversed chain", "knot", "one long cycle"])
def test_a_thousand_nodes(shape: str) -> None:
    names = [f"node_{number}" for number in range(1000)]
    after: dict[str, list[str]] = {
        name: names[index - 1 : index] for index, name in enumerate(names) if index
    }
    after = {names[0]: [], **after}
    if shape == "reversed chain":
        after = dict(reversed(after.items()))
    elif shape == "one long cycle":
        after[names[0]] = [names[-1]]
    elif shape == "knot":
        after = {name: [other for other in names[:60] if other != name] for name in names}
    begin = time.process_time()
    found = problems(after)
    assert time.process_time() - begin < 5
    assert len(found) == {"knot": MAX_CYCLES, "one long cycle": 1}.get(shape, 0)
