"""What is interesting about a case: the cells of the truth table that it comes to."""

from __future__ import annotations

from collections.abc import Iterator

from tests.end_to_end.model.cases import Case, End, Start
from tests.end_to_end.model.rules import Model, Run, RunState, State

_BEGUN = (State.WORKING, State.SUCCESS)


def situations(case: Case) -> set[str]:
    """Return what a case comes to, in a few words each."""
    model = Model(case)
    found: set[str] = set()
    for step in case.steps:
        for event in step.events:
            before = [(run.state, dict(run.states)) for run in model.runs]
            if isinstance(event, Start) and any(state is RunState.RUNNING for state, _ in before):
                found.add(f"{case.concurrency}: a run starts beside another")
            model.apply(event)
            cause = (event.run, event.node) if isinstance(event, End) else None
            for number, (_, states) in enumerate(before):
                node = cause[1] if cause and cause[0] == number else None
                how = event.how if isinstance(event, End) else ""
                found.update(_of_change(case, model.runs[number], states, node, how))
        for run in model.runs:
            found.update(_of_state(case, run))
            found.update(_of_waiting(model, run))
    return found


def tries(case: Case) -> int:
    """Return how many tries of nodes begin in a case."""
    model = Model(case)
    for step in case.steps:
        for event in step.events:
            model.apply(event)
    return sum(sum(run.tries.values()) for run in model.runs)


def _of_change(case: Case, run: Run, before: dict[str, State], cause: str | None, how: str) -> Iterator[str]:
    failed_before = State.FAILED in before.values()
    others = {node: state for node, state in before.items() if node != cause}
    policy = case.error_handling
    if cause and run.states[cause] is State.FAILED and not failed_before:
        yield f"{policy}: failed by {how}"
        for state in (State.WORKING, State.BETWEEN_TRIES, State.WAITING):
            if state in others.values():
                yield f"{policy}: a node is {state.value} when another fails"
        if any(others[node] is State.NOT_BEGUN for node in case.answers() & others.keys()):
            yield f"{policy}: the flow has an answer to a failure"
        near = case.downstream(cause)
        if any(
            state in (State.NOT_BEGUN, State.WAITING)
            and run.states[node] is State.NOT_RUN
            and node not in near
            for node, state in others.items()
        ):
            yield f"{policy}: a node is held back"
    for node, state in others.items():
        begins = run.states[node] in _BEGUN and state not in _BEGUN
        if begins and state is State.WAITING:
            yield f"{case.concurrency}: a node has waited"
        if begins and run.has_failed_node:
            kind = "an answer" if node in case.answers() else "an unrelated node"
            yield f"{policy}: {kind} begins after a failure"
        if begins and State.BETWEEN_TRIES in run.states.values():
            yield f"{policy}: a node begins while another is between tries"
    if cause and failed_before and run.states[cause] in (State.FAILED, State.GIVEN_UP):
        if how == "mark" or run.tries[cause] > case.nodes[cause].retries:
            return
        yield f"{policy}: not tried again after a failure, by {how}"


def _of_state(case: Case, run: Run) -> Iterator[str]:
    for node, what in case.nodes.items():
        state = run.states[node]
        if state is State.WAITING:
            yield f"{case.concurrency}: a node waits"
        if state is State.BETWEEN_TRIES:
            yield "a node is tried again"
        if what.condition and state is State.SUCCESS:
            if what.names_a_state:
                yield "a condition that names a state is decided"
            if any(run.states[child] is State.NOT_RUN for child in case.children(node)):
                yield "a condition may be false"
                if any(case.downstream(child) for child in case.children(node)):
                    yield "a condition may be false far above a node"
    if run.skipped_for is not None:
        yield "a run is skipped"


def _of_waiting(model: Model, run: Run) -> Iterator[str]:
    if run.earlier is None:
        return
    earlier = model.runs[run.earlier].states
    for node, state in run.states.items():
        if state is not State.WAITING:
            continue
        if any(earlier[other] is State.BETWEEN_TRIES for other in model.waited_for(node)):
            yield "a node waits for one between tries"
        near = {node} | model.case.children(node)
        if model.case.mode_2_scope == "direct" and model.case.downstream(node) - near:
            yield f"{model.case.concurrency}: a node waits for its direct children only"
