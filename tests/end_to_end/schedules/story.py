"""A story of schedules: flows, what happens to them and to Airflow, and the runs that must come of it.

A story is a YAML file. All times are UTC, but business times, which are on the wall clock of their flow.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from tests.end_to_end.schedules.moved_airflow import MovedAirflow

STORIES = Path(__file__).with_name("stories")
NODE = {
    "type": "single_instance_sql",
    "database": "warehouse",
    # for workers that the machine has been too busy to start
    "retry": {"count": "2", "interval": "1s"},
    "sql": "INSERT INTO runs VALUES ('${flow_id}', '${run_id}', '${business_time}')",
}
TABLE = "CREATE TABLE runs (flow TEXT, run_id TEXT, business_time TEXT)"


@dataclass(frozen=True)
class FlowOfStory:
    """One flow.

    :param schedule: as in a spec
    :param runs: slot -> business time of each run that must be made; there must be no other
    :param missed: slots that the scheduler must say it has not run
    """

    schedule: Mapping[str, Any]
    runs: Mapping[datetime, str]
    missed: tuple[datetime, ...] = ()


class Story:
    """One file.

    :param path: of the file
    """

    def __init__(self, path: Path) -> None:
        # as text: YAML 1.1 takes 02:30 for a number
        data = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
        self.begin = moment(data["begin"])
        self.steps: list[Any] = data["steps"]
        self.flows = {
            flow: FlowOfStory(
                schedule=given["schedule"],
                runs={moment(slot): business_time for slot, business_time in (given["runs"] or {}).items()},
                missed=tuple(map(moment, given.get("missed", ()))),
            )
            for flow, given in data["flows"].items()
        }

    def play(self, airflow: MovedAirflow) -> None:
        """Publish the flows, take each step, and take the flows away again."""
        airflow.move_clock(self.begin)
        for flow, told in self.flows.items():
            airflow.write_flow(flow, spec(told.schedule))
        airflow.wait_for(lambda: self.flows.keys() <= airflow.active_dags(), "the flows to be active")
        airflow.wait_until_quiet(self.begin)
        for step in self.steps:
            if step == "missed":
                airflow.wait_for(lambda: not self.untold(airflow), "the scheduler to tell what was missed")
                continue
            if step == "quiet":
                airflow.wait_until_quiet(airflow.clock.now())
                continue
            ((action, what),) = step.items()
            getattr(self, f"_{action}")(airflow, what)
        for flow in self.flows:
            (airflow.dags / f"{flow}.flow.yaml").unlink()
        airflow.wait_for(lambda: self.flows.keys().isdisjoint(airflow.active_dags()), "the flows to go")

    def untold(self, airflow: MovedAirflow) -> list[str]:
        """Return what the scheduler has not said about missed slots."""
        log = (airflow.logs / "scheduler.log").read_text(encoding="utf-8", errors="replace")
        told = [
            f"SlotMissed: {flow}: the slot {slot} is not run; "
            for flow in self.flows
            for slot in self.flows[flow].missed
        ]
        return [text for text in told if text not in log]

    def _slot(self, airflow: MovedAirflow, slot: str) -> None:
        airflow.wait_for_slot(moment(slot))

    def _clock(self, airflow: MovedAirflow, to: str) -> None:
        airflow.move_clock(moment(to))

    def _kill(self, airflow: MovedAirflow, components: list[str]) -> None:
        for component in components:
            airflow.end(component, kill=True)

    def _start(self, airflow: MovedAirflow, components: list[str]) -> None:
        for component in components:
            airflow.launch(component)

    def _pause(self, airflow: MovedAirflow, flows: list[str]) -> None:
        for flow in flows:
            airflow.patch(f"/dags/{flow}", {"is_paused": True})

    def _unpause(self, airflow: MovedAirflow, flows: list[str]) -> None:
        for flow in flows:
            airflow.patch(f"/dags/{flow}", {"is_paused": False})
        airflow.wait_until_quiet(airflow.clock.now())

    def _edit(self, airflow: MovedAirflow, schedules: Mapping[str, Mapping[str, Any]]) -> None:
        before = {flow: _description(airflow, flow) for flow in schedules}
        for flow, schedule in schedules.items():
            airflow.write_flow(flow, spec(schedule))
        airflow.wait_for(
            lambda: all(_description(airflow, flow) != text for flow, text in before.items()),
            "the edited schedules to be known",
        )
        airflow.wait_until_quiet(airflow.clock.now())


def moment(text: str) -> datetime:
    """Read a time of a story."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def spec(schedule: Mapping[str, Any]) -> str:
    """Return the spec of a flow whose one node writes down its run and business time."""
    return yaml.safe_dump(
        {
            "version": "1",
            "owner": "alice",
            "concurrency": "ignore",
            "schedule": schedule,
            "nodes": {"note": NODE},
        },
        sort_keys=False,
    )


def runs_made(
    airflow: MovedAirflow, warehouse: Path, flow: str
) -> list[tuple[datetime, str, str, list[str]]]:
    """Return what became of a flow's runs.

    :return: of each run: run time, kind, state, and the business time in its conf and by each of its nodes
    """
    runs = airflow.get(f"/dags/{flow}/dagRuns", limit=1000, order_by="run_after")["dag_runs"]
    for run in runs:
        if run["state"] == "failed":
            print(airflow.task_log(flow, run["dag_run_id"], "note"))
    with sqlite3.connect(warehouse) as connection:
        noted = connection.execute(
            "SELECT run_id, business_time FROM runs WHERE flow = ?", (flow,)
        ).fetchall()
    return [
        (
            datetime.fromisoformat(run["run_after"].replace("Z", "+00:00")),
            f"{run['run_type']} {run['conf']['dms']['kind']}",
            run["state"],
            [
                run["conf"]["dms"]["business_time"][:19].replace("T", " "),
                *(text for run_id, text in noted if run_id == run["dag_run_id"]),
            ],
        )
        for run in runs
    ]


def _description(airflow: MovedAirflow, flow: str) -> str:
    return str(airflow.get(f"/dags/{flow}")["timetable_description"])
