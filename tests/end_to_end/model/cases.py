"""A case: a flow, its policies, and in which order things happen in its runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

STATES = ("all_success", "one_success", "all_failed", "one_failed", "all_done")
CONSTANTS = {"true": "1 == 1", "false": "1 == 2"}
How = Literal["ok", "fail", "kill", "mark"]
"""How a try ends: by itself; by an error; its worker is killed; a person marks the node as failed."""


@dataclass(frozen=True)
class Term:
    """One operand of a condition.

    :param word: one of :data:`STATES` or :data:`CONSTANTS`
    :param negated: it has a ``!``
    """

    word: str
    negated: bool = False

    @property
    def text(self) -> str:
        """The term as a condition says it."""
        return f"{'!' * self.negated}({CONSTANTS.get(self.word, self.word)})"


@dataclass(frozen=True)
class Node:
    """A node of a flow.

    :param after: ids of the nodes directly upstream
    :param retries: how often it is tried again
    :param condition: terms that must all be true; none: the node does work, which ends when the case says so
    """

    after: tuple[str, ...] = ()
    retries: int = 0
    condition: tuple[Term, ...] = ()

    @property
    def names_a_state(self) -> bool:
        """Whether it is a condition that is decided when its parents have finished in whatever state."""
        return any(term.word in STATES and term.word != "all_success" for term in self.condition)


@dataclass(frozen=True)
class Start:
    """A run is started by hand.

    :param run: number of the run, counted from 0
    """

    run: int


@dataclass(frozen=True)
class End:
    """A try of a node that works ends."""

    run: int
    node: str
    how: How


@dataclass(frozen=True)
class Retry:
    """The time between two tries of a node is over."""

    run: int
    node: str


Event = Start | End | Retry


@dataclass(frozen=True)
class Step:
    """What happens at the same moment, once the events before have had all their effects.

    :param events: whose order does not matter
    :param still: nothing else may happen for a while afterwards
    """

    events: tuple[Event, ...]
    still: bool = False


@dataclass(frozen=True)
class Case:
    """A flow, and what happens in its runs.

    :param name: of the flow
    :param seed: that makes the case
    """

    name: str
    error_handling: str = "complete_running_tasks"
    concurrency: str = "skip"
    mode_2_scope: str = "all"
    nodes: Mapping[str, Node] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    seed: int | None = None

    def children(self, node: str) -> set[str]:
        """Return the nodes directly downstream."""
        return {child for child, other in self.nodes.items() if node in other.after}

    def downstream(self, node: str) -> set[str]:
        """Return all nodes downstream, near and far."""
        reached: set[str] = set()
        ahead = self.children(node)
        while ahead:
            reached |= ahead
            ahead = {far for near in ahead for far in self.children(near)} - reached
        return reached

    def answers(self) -> set[str]:
        """Return the nodes that are the flow's answer to a failure."""
        conditions = {node for node, what in self.nodes.items() if what.names_a_state}
        return conditions.union(*(self.downstream(node) for node in conditions))

    def spec(self, work: str) -> dict[str, Any]:
        """Return the flow's spec as plain values.

        :param work: statements of a node that does work
        """
        nodes: dict[str, dict[str, Any]] = {}
        for node_id, node in self.nodes.items():
            if node.condition:
                condition = " && ".join(term.text for term in node.condition)
                nodes[node_id] = {"type": "conditional_branch", "condition": condition}
            else:
                nodes[node_id] = {"type": "single_instance_sql", "database": "ledger", "sql": work}
            if node.retries:
                # over when the case says so
                nodes[node_id]["retry"] = {"count": node.retries, "interval": "1d"}
            if node.after:
                nodes[node_id]["after"] = list(node.after)
        return {
            "version": 1,
            "id": self.name,
            "owner": "model",
            "error_handling": self.error_handling,
            "concurrency": self.concurrency,
            "mode_2_scope": self.mode_2_scope,
            "nodes": nodes,
        }

    def spec_text(self, work: str) -> str:
        """Return the flow's spec; JSON is YAML."""
        return json.dumps(self.spec(work), indent=1)

    def describe(self) -> str:
        """Return the case for people, one fact a line."""
        lines = [f"case {self.name} (seed {self.seed}): {self.error_handling}, {self.concurrency}"]
        if self.concurrency == "parallel_mode_2":
            lines[0] += f", mode_2_scope {self.mode_2_scope}"
        for node_id, node in self.nodes.items():
            kind = " && ".join(term.text for term in node.condition) or "work"
            retries = f", {node.retries} retries" if node.retries else ""
            after = f" after {', '.join(node.after)}" if node.after else ""
            lines.append(f"  {node_id}: {kind}{retries}{after}")
        lines += [f"  step {number}: {step_text(step)}" for number, step in enumerate(self.steps)]
        return "\n".join(lines)


def step_text(step: Step) -> str:
    """Return a step for people."""
    texts = []
    for event in step.events:
        if isinstance(event, Start):
            texts.append(f"start run {event.run}")
        elif isinstance(event, End):
            texts.append(f"{event.how} {event.node} of run {event.run}")
        else:
            texts.append(f"retry {event.node} of run {event.run}")
    return ", ".join(texts) + ("; then stillness" if step.still else "")
