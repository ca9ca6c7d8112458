"""One case on an Airflow: step by step, each once the runs are what the model says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.end_to_end.airflow_instance import AirflowError, AirflowInstance
from tests.end_to_end.behaviour.actions import kill
from tests.end_to_end.model.cases import Case, End, Event, Start, step_text
from tests.end_to_end.model.invariants import broken
from tests.end_to_end.model.ledger import Ledger
from tests.end_to_end.model.observer import Observer
from tests.end_to_end.model.rules import FINISHED, Model, RunState, State
from tests.end_to_end.model.trace import NodeTrace, RunTrace

STILL_SECONDS = 5.0
"""How long nothing may happen when a case says so: longer than whatever asks about states waits."""
WRONG_SECONDS = 8.0
"""After so long what cannot become right any more is a difference."""
GIVE_UP_SECONDS = 200.0
"""After so long without any change it is a difference that nothing happens; machines are slow."""


@dataclass
class Verdict:
    """What came out of a case.

    :param differences: between the model and the runs; none: they agree
    :param steps: how many were done
    """

    case: Case
    differences: list[str] = field(default_factory=list)
    steps: int = 0
    runs: list[RunTrace] = field(default_factory=list)
    seconds: float = 0.0


class Play:
    """A case that goes on.

    :param case: whose flow Airflow knows
    :param patience: seconds without any change until the case is given up
    """

    def __init__(
        self,
        case: Case,
        airflow: AirflowInstance,
        ledger: Ledger,
        observer: Observer,
        patience: float = GIVE_UP_SECONDS,
    ) -> None:
        self.name = case.name
        self.verdict = Verdict(case)
        self.over = False
        self._case = case
        self._airflow = airflow
        self._ledger = ledger
        self._observer = observer
        self._patience = patience
        self._model = Model(case)
        self._begun: float | None = None
        self._agreed_since: float | None = None
        self._wrong_since: float | None = None
        self._changed = 0.0
        self._last_seen: object = None

    def advance(self) -> None:
        """Compare, and do the next step if it is time for it. The observer has looked just before."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = self._changed = now
        differences = list(self._differences())
        seen = [difference.text for difference in differences]
        if seen != self._last_seen:
            self._last_seen, self._changed = seen, now
        if differences:
            if self._agreed_since is not None and self._is_still():
                self._finish([f"{text}, when nothing was to happen" for text in seen])
                return
            self._agreed_since = None
            self._judge(differences, now)
            return
        self._wrong_since = None
        if self._agreed_since is None:
            self._agreed_since = now
        elif now - self._agreed_since >= (STILL_SECONDS if self._is_still() else 0):
            self._go_on()

    def _is_still(self) -> bool:
        return self.verdict.steps > 0 and self._case.steps[self.verdict.steps - 1].still

    def _judge(self, differences: list[_Difference], now: float) -> None:
        hopeless = [difference for difference in differences if difference.is_final]
        if not hopeless:
            self._wrong_since = None
        elif self._wrong_since is None:
            self._wrong_since = now
        elif now - self._wrong_since > WRONG_SECONDS:
            self._finish([difference.text for difference in hopeless])
        if not self.over and now - self._changed > self._patience:
            self._finish([f"{difference.text} for {self._patience:g} s" for difference in differences])

    def _go_on(self) -> None:
        if self.verdict.steps == len(self._case.steps):
            self._finish([])
            return
        step = self._case.steps[self.verdict.steps]
        self.verdict.steps += 1
        # what ends a try is looked up before the model knows that it has ended
        try:
            for event in step.events:
                self._do(event)
                self._model.apply(event)
        except AirflowError as error:
            self._finish([str(error)])
        self._agreed_since = None
        self._changed = time.monotonic()

    def _do(self, event: Event) -> None:
        flow = self._case.name
        if isinstance(event, Start):
            run_id = self._airflow.trigger(flow)
            self.verdict.runs.append(self._observer.run(flow, run_id))
            return
        run = self.verdict.runs[event.run]
        if not isinstance(event, End):
            if not self._observer.let_time_pass(flow, run.run_id, event.node):
                raise AirflowError(f"{event.node} of run {event.run} is not between tries")
        elif event.how == "kill":
            if not kill(run.nodes[event.node].pid, with_worker=False):
                raise AirflowError(f"{event.node} of run {event.run} has no process")
        elif event.how == "mark":
            path = f"/dags/{flow}/dagRuns/{run.run_id}/taskInstances/{event.node}"
            self._airflow.patch(path, {"new_state": "failed"})
        else:
            number = self._model.runs[event.run].tries[event.node]
            self._ledger.end(flow, run.run_id, event.node, number, event.how)

    def _differences(self) -> Iterator[_Difference]:
        for number, (expected, trace) in enumerate(zip(self._model.runs, self.verdict.runs, strict=True)):
            for node, state in expected.states.items():
                seen = trace.nodes.get(node, NodeTrace())
                where = f"{node} of run {number}"
                tries = len(seen.began)
                if not self._case.nodes[node].condition and tries != expected.tries[node]:
                    text = f"{where} has begun {tries} times, expected {expected.tries[node]}"
                    yield _Difference(text, is_final=tries > expected.tries[node])
                seen_as = seen.seen_as()
                if seen_as is state or (state is State.GIVEN_UP and seen_as in (State.FAILED, State.NOT_RUN)):
                    continue
                text = f"{where} is {seen.state}, expected: {state.value}"
                yield _Difference(text, is_final=seen_as in FINISHED)
            if trace.state in ("running", *_ENDED):
                # said when the run starts, once and for all
                for key, other in (("earlier_run", expected.earlier), ("skipped_for", expected.skipped_for)):
                    name = None if other is None else self.verdict.runs[other].run_id
                    if (said := trace.decided(key)) != name:
                        yield _Difference(f"run {number}: {key} is {said}, expected {name}", is_final=True)
            if trace.state != expected.state.value:
                text = f"run {number} is {trace.state}, expected: {expected.state.value}"
                yield _Difference(text, is_final=trace.state in _ENDED)
            if expected.state is not RunState.RUNNING and self.verdict.steps == len(self._case.steps):
                calls = 0 if expected.skipped_for is not None else 1
                if (called := sum(trace.callbacks.values())) != calls:
                    text = f"run {number}: {called} callbacks were called, expected {calls}"
                    yield _Difference(text, is_final=called > calls)

    def _finish(self, differences: list[str]) -> None:
        self.over = True
        self.verdict.seconds = time.monotonic() - (self._begun or time.monotonic())
        if differences:
            step = self._case.steps[self.verdict.steps - 1] if self.verdict.steps else None
            where = f"after step {self.verdict.steps - 1} ({step_text(step)})" if step else "at first"
            self.verdict.differences += [f"{where}: {text}" for text in differences]
        else:
            self.verdict.differences += broken(self._case, self.verdict.runs)
        if differences:
            self.give_up()

    def look_again(self) -> None:
        """Compare once more, long after the end: what is called twice may be called late."""
        if not self.verdict.differences:
            self.verdict.differences += [f"later: {text}" for text in broken(self._case, self.verdict.runs)]

    def give_up(self) -> None:
        """End what is still going."""
        self._ledger.end_all(self._case.name)
        for run in self.verdict.runs:
            if not run.is_over:
                self._airflow.client.patch(
                    f"/dags/{self._case.name}/dagRuns/{run.run_id}", json={"state": "failed"}
                )


_ENDED = ("success", "failed")


@dataclass(frozen=True)
class _Difference:
    """Something that is not as the model says.

    :param is_final: it can never become so
    """

    text: str
    is_final: bool
