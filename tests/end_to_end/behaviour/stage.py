"""Many scenarios at once on one Airflow."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.end_to_end.airflow_instance import AirflowError
from tests.end_to_end.behaviour.component_logs import keep_component_logs
from tests.end_to_end.behaviour.flow_text import flow_text, pool_name
from tests.end_to_end.behaviour.instance import ScenarioAirflow, callback_counts
from tests.end_to_end.behaviour.ledger import Ledger
from tests.end_to_end.behaviour.observer import Observer
from tests.end_to_end.behaviour.play import Play
from tests.end_to_end.behaviour.scenario import RunSeen, Scenario, Seen

_LOOKS_EVERY = 0.4
_KNOWN = 400.0
"""Seconds in which Airflow must have found all specs."""
_LAST_CALLBACKS = 120.0
"""Seconds after the last scenario in which a callback that is due must have been called."""


class Stage:
    """Where scenarios are played.

    :param airflow: made by :func:`tests.end_to_end.behaviour.instance.behaviour_instance`
    :param scenarios: each with a name of its own
    :param at_once: how many go on at the same time
    :param logs: folder for what the tasks have logged; default: a temporary one
    """

    def __init__(
        self, airflow: ScenarioAirflow, scenarios: Sequence[Scenario], *, at_once: int, logs: Path | None
    ) -> None:
        self._airflow = airflow
        self._scenarios = scenarios
        self._at_once = at_once
        self._put: list[Scenario] = []
        self._known_by = time.monotonic() + _KNOWN
        self._logs = logs or Path(tempfile.mkdtemp(prefix="dms-behaviour-"))
        self._ledger = Ledger(airflow.server)
        self._observer = Observer(airflow.server, airflow.database, self._ledger)
        self._deadlocks: list[float] = []

    def perform(self) -> list[Seen]:
        """Play all scenarios.

        :return: what was seen, in the order of the scenarios
        """
        plays: list[Play] = []
        try:
            self._ledger.set_up()
            plays += [Play(each, self._airflow, self._observer, self._ledger) for each in self._scenarios]
            self._set_up()
            self._play(plays)
            self._count_callbacks(plays)
            keep_component_logs(self._airflow, self._logs)
            return [play.seen for play in plays]
        finally:
            for play in plays:
                play.close()
            for scenario in self._put:
                self._airflow.put_flow(scenario.name, None, versioned=scenario.versioned)
            self._observer.close()
            self._ledger.close()

    def _set_up(self) -> None:
        for scenario in self._scenarios:
            for pool, slots in scenario.pools.items():
                self._airflow.post("/pools", {"name": pool_name(scenario, pool), "slots": slots})
            self._airflow.put_flow(scenario.name, flow_text(scenario), versioned=scenario.versioned)
            self._put.append(scenario)

    def _known(self, waiting: Sequence[Play]) -> list[Play]:
        """Return the scenarios whose flow Airflow knows.

        :raises AirflowError: it has found a spec that it cannot read, or does not find one
        """
        versions = self._observer.versions([play.flow for play in waiting])
        known = [play for play in waiting if play.flow in versions]
        if len(known) < len(waiting):
            if errors := self._airflow.import_errors():
                raise AirflowError("\n".join(f"{name}: {text}" for name, text in errors.items()))
            if time.monotonic() > self._known_by:
                missing = ", ".join(sorted({play.flow for play in waiting} - versions.keys()))
                raise AirflowError(f"not known after {_KNOWN:g} s: {missing}\n{self._airflow.log_tails()}")
        return known

    def _play(self, plays: Sequence[Play]) -> None:
        waiting = list(plays)
        on_stage: list[Play] = []
        while waiting or on_stage:
            if free := self._at_once - len(on_stage) if waiting else 0:
                for play in self._known(waiting)[:free]:
                    waiting.remove(play)
                    play.begin()
                    on_stage.append(play)
            look = self._observer.look([play.flow for play in on_stage])
            if look.deadlocks > len(self._deadlocks):
                self._deadlocks += [look.asked] * (look.deadlocks - len(self._deadlocks))
            for play in [play for play in on_stage if play.step(look)]:
                on_stage.remove(play)
                play.close()
                play.seen.deadlocks = self._deadlocks
                self._keep_logs(play)
            self._airflow.check_running()
            time.sleep(max(0.0, look.asked + _LOOKS_EVERY - time.time()))

    def _count_callbacks(self, plays: Sequence[Play]) -> None:
        deadline = time.monotonic() + _LAST_CALLBACKS
        due = {
            (play.flow, run.run_id, kind): number
            for play in plays
            for name, run in play.seen.runs.items()
            if run.state != "deleted"
            for kind, number in expected_callbacks(play.scenario, name, run).items()
        }
        while time.monotonic() < deadline:
            counts = callback_counts(self._airflow)
            if all(counts.get(key, 0) >= number for key, number in due.items()):
                break
            time.sleep(0.5)
        for (flow, run_id, kind), number in callback_counts(self._airflow).items():
            for play in plays:
                for run in play.seen.runs.values():
                    if (play.flow, run.run_id) == (flow, run_id):
                        run.callbacks[kind] = number

    def _keep_logs(self, play: Play) -> None:
        lines: list[str] = []
        for name, run in play.seen.runs.items():
            folder = self._airflow.home / "logs" / f"dag_id={play.flow}" / f"run_id={run.run_id}"
            for path in sorted(folder.glob("task_id=*/attempt=*.log*")):
                text = _readable(path)
                lines += [f"=== {name} {path.relative_to(folder)}", text]
                node = path.parent.name.removeprefix("task_id=")
                expected = play.scenario.runs.get(name)
                if expected is not None and node in expected.logs:
                    # the last try comes last, and what its trigger logged after it
                    before = play.seen.log_texts.get((name, node), "")
                    play.seen.log_texts[name, node] = f"{before}\n{text}"
        play.seen.logs = self._logs / f"{play.flow}.log"
        play.seen.logs.write_text("\n".join(lines), encoding="utf-8")


def expected_callbacks(scenario: Scenario, name: str, run: RunSeen) -> Mapping[str, int]:
    """Return ``success`` and ``failure`` -> how often the DAG's callback must have been called for a run."""
    expected = scenario.runs.get(name)
    if expected is not None and expected.callbacks is not None:
        return {"success": 0, "failure": 0, **expected.callbacks}
    return {"success": int(run.state == "success"), "failure": int(run.state == "failed")}


def _readable(path: Path) -> str:
    lines = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            lines.append(line)
            continue
        if not isinstance(entry, dict):
            lines.append(line)
            continue
        errors = [
            f"{error.get('exc_type')}: {error.get('exc_value')}"
            for error in entry.get("error_detail") or ()
            if isinstance(error, dict)
        ]
        words = [entry.get("timestamp"), entry.get("level"), entry.get("event"), *errors]
        lines.append(" ".join(str(word) for word in words if word))
    return "\n".join(lines)
