"""A run fails exactly if one of its nodes failed: random graphs, and Airflow's rules written down apart."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dag_factory.builder import build_dag
from dag_factory.validation import validate_bytes

CONDITIONS = ("1 == 1", "1 == 2", "one_failed", "all_done && 1 == 2")

Graph = dict[str, tuple[tuple[str, ...], str | None, bool]]
"""Node id -> parents, condition if it is one, whether it fails when it runs."""


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    graph: Graph = {}
    for number in range(draw(st.integers(1, 8))):
        parents = tuple(node for node in graph if draw(st.booleans()))
        condition = draw(st.sampled_from((None, *CONDITIONS))) if parents else None
        graph[f"n{number}"] = (parents, condition, draw(st.integers(0, 3)) == 0)
    return graph


def spec_of(graph: Graph) -> bytes:
    lines = ["version: 1", "owner: alice", "nodes:"]
    for node, (parents, condition, _) in graph.items():
        lines += [f"  {node}:", f"    after: [{', '.join(parents)}]"] if parents else [f"  {node}:"]
        lines += (
            ["    type: conditional_branch", f"    condition: {condition}"]
            if condition
            else ["    type: single_instance_sql", "    database: w", "    sql: SELECT 1"]
        )
    return "\n".join([*lines, ""]).encode()


def end_states(graph: Graph) -> dict[str, str]:
    """Return the state that each node ends in."""
    states: dict[str, str] = {}
    skipped: set[str] = set()
    for node, (parents, condition, fails) in graph.items():
        above = [states[parent] for parent in parents]
        names_a_state = (condition is not None and "all_done" in condition) or condition == "one_failed"
        if node in skipped:
            states[node] = "skipped"
        elif not names_a_state and any(state in ("failed", "upstream_failed") for state in above):
            states[node] = "upstream_failed"
        elif not names_a_state and "skipped" in above:
            states[node] = "skipped"
        elif fails:
            states[node] = "failed"
        else:
            states[node] = "success"
            one_failed = any(state in ("failed", "upstream_failed") for state in above)
            truth = {None: True, "1 == 1": True, "one_failed": one_failed}.get(condition, False)
            if not truth:
                skipped |= below(graph, node)
    return states


def below(graph: Graph, node: str) -> set[str]:
    reached = {node}
    for other, (parents, _, _) in graph.items():
        if reached.intersection(parents):
            reached.add(other)
    return reached - {node}


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_a_run_fails_exactly_if_a_node_failed(graph: Graph) -> None:
    dag = build_dag(validate_bytes(spec_of(graph), file="f", path=Path("f.flow.yaml"), root=None))
    states = end_states(graph)
    leaves = {task.task_id for task in dag.tasks if not task.downstream_task_ids}
    if "dms__outcome" in dag.task_dict:
        assert leaves == {"dms__outcome"}
        leaves = set(dag.get_task("dms__outcome").upstream_task_ids)
    run_fails = any(states[leaf] in ("failed", "upstream_failed") for leaf in leaves)
    assert run_fails == ("failed" in states.values())


def test_a_flow_without_conditions_has_no_other_tasks_than_its_nodes() -> None:
    graph: Graph = {"a": ((), None, False), "b": (("a",), None, False)}
    dag = build_dag(validate_bytes(spec_of(graph), file="f", path=Path("f.flow.yaml"), root=None))
    assert sorted(dag.task_dict) == ["a", "b"]
