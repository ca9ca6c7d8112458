"""One scenario on the stage: its events are done as their moments come, and what is seen is kept."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence

from tests.end_to_end.airflow_instance import AirflowError
from tests.end_to_end.behaviour.actions import ACTIONS, ActionFailed, end_of_command, kill
from tests.end_to_end.behaviour.instance import ScenarioAirflow
from tests.end_to_end.behaviour.ledger import Ledger, Row
from tests.end_to_end.behaviour.observer import Look, Observer, RunLook, TaskLook
from tests.end_to_end.behaviour.scenario import (
    FINISHED,
    HELPER_PREFIX,
    Behaviour,
    Moment,
    NodeSeen,
    RunSeen,
    Scenario,
    Seen,
)

_SETTLED = 2.5
"""Seconds for which all runs must be at their ends."""
_STOPPED = 60.0
"""Seconds after the end of its run in which a node must have left the database server and the triggerer."""


class Play:
    """One scenario that goes on.

    :param scenario: the scenario
    :param airflow: on which it goes on
    :param observer: for what only Airflow's database can be asked or told
    :param ledger: where its nodes work
    """

    def __init__(
        self, scenario: Scenario, airflow: ScenarioAirflow, observer: Observer, ledger: Ledger
    ) -> None:
        self.scenario = scenario
        self.flow = scenario.name
        self.airflow = airflow
        self.observer = observer
        self.run_ids: dict[str, str] = {}
        self.commands: list[tuple[subprocess.Popen[str], int, str]] = []
        self.seen = Seen(scenario)
        self._ledger = ledger
        self._began = time.time()
        self._event = 0
        self._moment: float | None = None
        self._last_done = 0.0
        self._version = 0
        self._awaited_version = 0
        self._expected: list[tuple[str, str]] = []
        self._released: set[tuple[str, str]] = set()
        self._killed: set[tuple[str, str, int]] = set()
        self._nodes: dict[str, Behaviour] = {}
        self._own: dict[str, dict[str, Behaviour]] = {}
        self._tasks: dict[tuple[str, str], TaskLook] = {}
        self._ended: float | None = None
        self._nameless: list[str] = []
        self.behave(scenario.nodes)

    def begin(self) -> None:
        """Start the clock."""
        self._began = time.time()

    def name_run(self, name: str, run_id: str) -> None:
        """Say what a run is called in the scenario; its nodes will behave as was said for this name."""
        self.run_ids[name] = run_id
        self.seen.runs.setdefault(name, RunSeen(run_id))
        for node_id, behaviour in self._own.get(name, {}).items():
            self._ledger.plan(self.flow, run_id, node_id, behaviour)

    def behave(self, nodes: Mapping[str, Behaviour], runs: Sequence[str] = ()) -> None:
        """Say how nodes behave.

        :param runs: names of runs that have not been started; none: in all runs of which nothing else is said
        """
        for name in runs:
            self._own.setdefault(name, {}).update(nodes)
        if not runs:
            self._nodes.update(nodes)
            for node_id, behaviour in nodes.items():
                self._ledger.plan(self.flow, "", node_id, behaviour)

    def expect_runs(self, kind: str, names: Iterable[str]) -> None:
        """Give names to the runs of a kind that have none yet, or will be seen next."""
        ahead = list(names)
        for run_id in [run_id for run_id in self._nameless if self.seen.runs[run_id].kind == kind][
            : len(ahead)
        ]:
            self._nameless.remove(run_id)
            del self.run_ids[run_id]
            name = ahead.pop(0)
            self.seen.runs[name] = self.seen.runs.pop(run_id)
            self.name_run(name, run_id)
        self._expected += [(kind, name) for name in ahead]

    def task(self, run: str, node: str) -> TaskLook | None:
        """Return what a task of a run looked like last."""
        return self._tasks.get((run, node))

    def write_flow(self, text: str) -> None:
        """Put another version of the flow in place; the next event waits until Airflow knows it."""
        self.airflow.put_flow(self.flow, text, versioned=self.scenario.versioned)
        self._awaited_version = self._version + 1

    def step(self, look: Look) -> bool:
        """Take in what is seen, do what is due.

        :return: whether the scenario is over
        """
        self._version = look.versions.get(self.flow, 0)
        self._take_in(look)
        if self.seen.problem is not None:
            return True
        try:
            self._play_nodes()
            self._play_events(look)
        except (ActionFailed, AirflowError) as error:
            self.seen.problem = f"event {self._event + 1}: {error}"
            return True
        if time.time() - self._began > self.scenario.timeout:
            self.seen.problem = f"not over after {self.scenario.timeout:g} s; {self._where_it_stands()}"
            return True
        return self._is_over(look)

    def close(self) -> None:
        """Take note of how its commands have ended, and stop what it still does on the server."""
        while self.commands:
            command = self.commands.pop()
            problem = end_of_command(*command, kill_it=True)
            if problem and self.seen.problem is None:
                self.seen.problem = problem
        for run in self.seen.runs.values():
            self._ledger.forget(self.flow, run.run_id)

    def _take_in(self, look: Look) -> None:
        there: set[str] = set()
        for run in look.runs.get(self.flow, ()):
            name = self._name_of(run)
            there.add(name)
            self._take_in_run(name, run, look)
        for row in look.rows:
            if row.flow == self.flow:
                self._take_in_row(row)
        for name, seen in self.seen.runs.items():
            if name not in there and seen.history and seen.state != "deleted":
                seen.state = "deleted"
                seen.history.append((look.asked, "deleted"))

    def _name_of(self, run: RunLook) -> str:
        for name, run_id in self.run_ids.items():
            if run_id == run.run_id:
                return name
        for number, (kind, name) in enumerate(self._expected):
            if kind == run.kind:
                del self._expected[number]
                self.name_run(name, run.run_id)
                return name
        self.name_run(run.run_id, run.run_id)
        self._nameless.append(run.run_id)
        return run.run_id

    def _take_in_run(self, name: str, run: RunLook, look: Look) -> None:
        seen = self.seen.runs[name]
        seen.kind = run.kind
        seen.conf = run.conf or {}
        seen.note = run.note
        if seen.state != run.state:
            seen.state = run.state
            seen.history.append((look.asked, run.state))
        for task_id, task in run.tasks.items():
            self._tasks[name, task_id] = task
            nodes = seen.helpers if task_id.startswith(HELPER_PREFIX) else seen.nodes
            node = nodes.setdefault(task_id, NodeSeen())
            state = task.state or "none"
            if node.state != state:
                node.state = state
                node.history.append((look.asked, state))
            node.ended = task.ended if state in FINISHED else None
            node.try_number = task.try_number
            node.trigger = task.trigger_id is not None
            node.on_server = (self.flow, run.run_id, task_id) in look.at_work
            if node.on_server:
                node.gone = look.asked
            behaviour = self._own.get(name, {}).get(task_id) or self._nodes.get(task_id)
            if behaviour and behaviour.deferred is not None and state == "deferred" and not node.began:
                node.began.append(look.asked)

    def _take_in_row(self, row: Row) -> None:
        for seen in self.seen.runs.values():
            if seen.run_id == row.run:
                node = seen.nodes.setdefault(row.node, NodeSeen())
                if row.what == "begin":
                    node.began.append(row.at)
                else:
                    node.finished.append(row.at)
                    node.wrote = row.what

    def _play_nodes(self) -> None:
        for name, run in self.seen.runs.items():
            for node_id, behaviour in (self._nodes | self._own.get(name, {})).items():
                node = run.nodes.get(node_id)
                if node is not None and (name, node_id) not in self._released:
                    self._release(name, run, node_id, behaviour, node)
                if node is None or len(node.began) > behaviour.killed or node.state != "running":
                    continue
                if behaviour.until is None or self.reached(behaviour.until, 0, this=name):
                    self._kill(name, node_id, len(node.began))

    def _release(self, name: str, run: RunSeen, node_id: str, behaviour: Behaviour, node: NodeSeen) -> None:
        if behaviour.until is None and behaviour.deferred is None:
            return
        if behaviour.until is not None and not self.reached(behaviour.until, 0, this=name):
            return
        if behaviour.deferred is None:
            self._ledger.release(self.flow, run.run_id, node_id)
        else:
            if behaviour.hangs or not node.began:
                return
            base = max(node.began[0], *(t for t, _ in node.history[-1:]))
            if node.state != "deferred" or time.time() - base < behaviour.deferred:
                return
            self._ledger.give_sign(self.flow, run.run_id, node_id)
        self._released.add((name, node_id))

    def _kill(self, name: str, node_id: str, number: int) -> None:
        if number and (name, node_id, number) not in self._killed:
            task = self.task(name, node_id)
            if task is not None and kill(task.pid, with_worker=False):
                self._killed.add((name, node_id, number))

    def reached(self, moment: Moment, since: float, *, this: str | None = None) -> bool:
        """Return whether a moment has come.

        :param since: a state that has passed counts if it was seen later
        :param this: the run that is spoken of
        """
        run = self.seen.runs.get(this if moment.run == "this" and this is not None else moment.run)
        if run is None:
            return False
        subject = run if moment.node is None else run.nodes.get(moment.node) or run.helpers.get(moment.node)
        if subject is None:
            return False
        if isinstance(subject, NodeSeen):
            if moment.what.startswith("begins"):
                return len(subject.began) > (1 if moment.what == "begins again" else 0)
            if moment.what == "ends":
                return subject.ended is not None
            if moment.what == "gone":
                return subject.gone is not None and not subject.on_server
        elif moment.what == "ends":
            return subject.state in ("success", "failed", "deleted")
        return subject.state == moment.what or any(
            state == moment.what and at >= since for at, state in subject.history
        )

    def _play_events(self, look: Look) -> None:
        while self._event < len(self.scenario.events):
            if look.asked < self._last_done or self._version < self._awaited_version:
                return
            if any(process.poll() is None for process, *_ in self.commands):
                return
            event = self.scenario.events[self._event]
            if self._moment is None:
                if event.when is not None and not self.reached(event.when, self._last_done):
                    return
                self._moment = time.time()
            if time.time() < self._moment + event.after:
                return
            ACTIONS[event.action](self, event.arguments)
            self._event += 1
            self._moment = None
            self._last_done = time.time()
            self.seen.events.append(self._last_done)
            following = self.scenario.events[self._event :][:1]
            if not following or following[0].when is not None:
                return

    def _is_over(self, look: Look) -> bool:
        over = (
            self._event == len(self.scenario.events)
            and look.asked > self._last_done
            and not self._expected
            and all(process.poll() is not None for process, *_ in self.commands)
            and all(run.state in ("success", "failed", "deleted") for run in self.seen.runs.values())
        )
        if not over:
            self._ended = None
        elif self._ended is None:
            self._ended = time.time()
        if self._ended is None:
            return False
        nodes = [node for run in self.seen.runs.values() for node in run.nodes.values()]
        at_work = any(node.on_server or node.trigger for node in nodes)
        return time.time() - self._ended >= (_STOPPED if at_work else _SETTLED)

    def _where_it_stands(self) -> str:
        runs = "; ".join(
            f"{name} {run.state}: "
            + ", ".join(f"{node_id} {node.state}" for node_id, node in (run.nodes | run.helpers).items())
            for name, run in self.seen.runs.items()
        )
        return f"{self._event} of {len(self.scenario.events)} events done; {runs or 'no run'}"
