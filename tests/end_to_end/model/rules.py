"""The truth table as rules: what each node and run must be after each event.

Times are left out. An event happens when all effects of the ones before are there, so what must follow does
not depend on how fast a machine is. Where the table leaves open what a node does, the case is no case.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from tests.end_to_end.model.cases import STATES, Case, End, Event, Retry, Start


class State(str, Enum):
    """What a node of a run must be seen to be."""

    NOT_BEGUN = "not begun"
    WAITING = "waiting for the earlier run"
    WORKING = "working"
    BETWEEN_TRIES = "between tries"
    SUCCESS = "success"
    FAILED = "failed"
    NOT_RUN = "not run"
    GIVEN_UP = "failed, or not run any more"
    """It had begun and waited for its retry, which it does not get."""


class RunState(str, Enum):
    """What a run must be seen to be."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"


FINISHED = frozenset({State.SUCCESS, State.FAILED, State.NOT_RUN, State.GIVEN_UP})


class Undecided(ValueError):
    """The truth table does not say what happens here."""


class Impossible(ValueError):
    """The event cannot happen now."""


@dataclass
class Run:
    """One run of the flow.

    :param earlier: number of the run that it is coupled to
    :param skipped_for: number of the run that was in its way
    :param states: of its nodes
    :param tries: that have begun, of its nodes
    """

    earlier: int | None
    skipped_for: int | None
    states: dict[str, State]
    tries: dict[str, int]

    @property
    def has_failed_node(self) -> bool:
        """Whether a node has failed."""
        return State.FAILED in self.states.values()

    @property
    def state(self) -> RunState:
        """Of the run as a whole."""
        if not FINISHED.issuperset(self.states.values()):
            return RunState.RUNNING
        return RunState.FAILED if self.has_failed_node else RunState.SUCCESS


class Model:
    """The runs of one flow.

    :param case: whose flow it is; its steps are not looked at
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.runs: list[Run] = []
        self._answers = case.answers()
        self._downstream = {node: case.downstream(node) for node in case.nodes}

    def snapshot(self) -> tuple[object, ...]:
        """Return all that can be seen of the runs."""
        return tuple(
            (run.earlier, run.skipped_for, tuple(run.states.items()), tuple(run.tries.items()))
            for run in self.runs
        )

    def waited_for(self, node: str) -> set[str]:
        """Return the nodes of the earlier run that a node waits for."""
        policy = self.case.concurrency
        if policy not in ("parallel_mode_1", "parallel_mode_2"):
            return set()
        if policy == "parallel_mode_1":
            return {node}
        if self.case.mode_2_scope == "direct":
            return {node} | self.case.children(node)
        return {node} | self._downstream[node]

    def apply(self, event: Event) -> None:
        """Let something happen, and everything that follows from it.

        :raises Impossible: it cannot happen now
        :raises Undecided: the truth table does not say what follows
        """
        if isinstance(event, Start):
            self._start(event.run)
        else:
            run = self.runs[event.run]
            if isinstance(event, End):
                self._need(run, event.node, State.WORKING)
                self._end(run, event)
            elif isinstance(event, Retry):
                self._need(run, event.node, State.BETWEEN_TRIES)
                self._begin(run, event.node)
        self._settle()

    @staticmethod
    def _need(run: Run, node: str, state: State) -> None:
        if run.states[node] is not state:
            raise Impossible(f"{node} is not {state.value}")

    def _start(self, number: int) -> None:
        if number != len(self.runs):
            raise Impossible("runs start in the order of their numbers")
        running = [other for other, run in enumerate(self.runs) if run.state is RunState.RUNNING]
        newest = max(running, default=None)
        skipped = self.case.concurrency == "skip" and newest is not None
        self.runs.append(
            Run(
                earlier=newest if self.case.concurrency.startswith("parallel") else None,
                skipped_for=newest if skipped else None,
                states=dict.fromkeys(self.case.nodes, State.NOT_RUN if skipped else State.NOT_BEGUN),
                tries=dict.fromkeys(self.case.nodes, 0),
            )
        )

    def _end(self, run: Run, event: End) -> None:
        if event.how == "ok":
            run.states[event.node] = State.SUCCESS
            return
        retries_left = event.how != "mark" and run.tries[event.node] <= self.case.nodes[event.node].retries
        no_more_tries = (
            run.has_failed_node and self.case.error_handling != "complete_unrelated_tasks" and retries_left
        )
        if no_more_tries and event.node in self._answers:
            raise Undecided("an answer to a failure fails itself, with a retry left")
        if no_more_tries:
            # killed, it cannot have said that it does not want to be tried again
            run.states[event.node] = State.FAILED if event.how == "fail" else State.GIVEN_UP
        elif retries_left:
            run.states[event.node] = State.BETWEEN_TRIES
        else:
            self._fail(run, event.node)

    def _fail(self, run: Run, node: str) -> None:
        run.states[node] = State.FAILED
        policy = self.case.error_handling
        if policy == "complete_unrelated_tasks":
            return
        stops = policy == "immediately_stop_all_tasks"
        for other, state in run.states.items():
            held = stops or other not in self._answers
            if state in (State.NOT_BEGUN, State.WAITING) and held:
                run.states[other] = State.NOT_RUN
            elif state is State.BETWEEN_TRIES:
                if not held:
                    raise Undecided("an answer to a failure waits for its retry when another node fails")
                run.states[other] = State.GIVEN_UP
            elif state is State.WORKING and stops:
                run.states[other] = State.FAILED

    def _settle(self) -> None:
        before = None
        while (now := self.snapshot()) != before:
            before = now
            for run in self.runs:
                for node in self.case.nodes:
                    if run.states[node] in (State.NOT_BEGUN, State.WAITING):
                        self._advance(run, node)

    def _advance(self, run: Run, node: str) -> None:
        what = self.case.nodes[node]
        parents = {parent: run.states[parent] for parent in what.after}
        lost = {parent for parent, state in parents.items() if state in FINISHED - {State.SUCCESS}}
        if lost and not what.names_a_state:
            if node in self._answers and not lost <= self._answers:
                raise Undecided(f"{node} answers a failure, and {', '.join(sorted(lost))} above it is lost")
            run.states[node] = State.NOT_RUN
            return
        if not FINISHED.issuperset(parents.values()):
            return
        if run.earlier is not None:
            earlier = self.runs[run.earlier].states
            if not all(earlier[other] in FINISHED for other in self.waited_for(node)):
                run.states[node] = State.WAITING
                return
        self._begin(run, node)

    def _begin(self, run: Run, node: str) -> None:
        run.tries[node] += 1
        run.states[node] = State.WORKING
        what = self.case.nodes[node]
        if what.condition:
            run.states[node] = State.SUCCESS
            if not self._is_true(node, [run.states[parent] for parent in what.after]):
                for below in self._downstream[node]:
                    run.states[below] = State.NOT_RUN

    def _is_true(self, node: str, parents: Collection[State]) -> bool:
        readings = {
            all(
                (term.word == "true" if term.word not in STATES else holds(term.word, parents, failing))
                is not term.negated
                for term in self.case.nodes[node].condition
            )
            for failing in (
                {State.FAILED},
                {State.FAILED, State.GIVEN_UP},
                {State.FAILED, State.GIVEN_UP, State.NOT_RUN},
            )
        }
        if len(readings) > 1:
            raise Undecided(f"{node}: whether a node that was not run counts as failed")
        return readings.pop()


def holds(word: str, parents: Collection[State], failing: Collection[State]) -> bool:
    """Return whether a state is the case among finished parents.

    :param word: one of :data:`tests.end_to_end.model.cases.STATES`
    :param failing: the states that count as failed
    """
    succeeded = [state is State.SUCCESS for state in parents]
    failed = [state in failing for state in parents]
    return {
        "all_success": all(succeeded),
        "one_success": any(succeeded),
        "all_failed": all(failed),
        "one_failed": any(failed),
        "all_done": True,
    }[word]
