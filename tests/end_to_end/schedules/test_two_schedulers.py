"""Two schedulers at once: each slot makes one run, also while one of them is killed."""

from __future__ import annotations

from tests.end_to_end.schedules.moved_airflow import BEFORE, MovedAirflow
from tests.end_to_end.schedules.story import moment

FLOWS = {f"shared_{number:02}" for number in range(24)}
OURS = {"dag_id_pattern": "shared_"}
BEGIN = moment("2025-11-10 00:40")
SLOTS = [moment(f"2025-11-10 0{hour}:00") for hour in (1, 2, 3)]
SPEC = """\
version: 1
owner: alice
schedule: {timezone: UTC, cron: "0 0 * * * ?", start_late: 30m}
pool: closed
nodes:
  held:
    type: single_instance_sql
    database: warehouse
    sql: SELECT 1
"""
"""One run that waits for the pool makes all later ones be skipped, so that they need no worker."""


def test_each_slot_makes_one_run(moved_airflow: MovedAirflow) -> None:
    airflow = moved_airflow
    airflow.move_clock(BEGIN)
    airflow.post("/pools", {"name": "closed", "slots": 0})
    airflow.launch("scheduler", "scheduler-2")
    for flow in FLOWS:
        airflow.write_flow(flow, SPEC)
    airflow.wait_for(lambda: airflow.active_dags() >= FLOWS, "the flows to be active")
    airflow.wait_for(lambda: len(_schedulers(airflow)) == 2, "the second scheduler")
    held = {flow: airflow.trigger(flow) for flow in FLOWS}
    airflow.wait_for(lambda: _count(airflow, "running") == len(FLOWS), "the first runs to wait")

    for number, slot in enumerate(SLOTS):
        airflow.move_clock(slot - BEFORE)
        if number == 2:
            airflow.wait_for(lambda: _count(airflow, "success") > 2 * len(FLOWS), "the first runs of a slot")
            airflow.end("scheduler-2", kill=True)
        airflow.wait_for(
            lambda number=number: _count(airflow, "success") >= (number + 1) * len(FLOWS),
            f"the runs of {slot}",
        )

    made = airflow.get("/dags/~/dagRuns", **OURS, run_type="scheduled", limit=1000)["dag_runs"]
    seen = sorted((run["dag_id"], run["run_after"], run["conf"]["dms"]["skipped_for"]) for run in made)
    assert seen == [
        (flow, slot.strftime("%Y-%m-%dT%H:%M:%SZ"), held[flow]) for flow in sorted(FLOWS) for slot in SLOTS
    ]
    assert len(_makers(airflow)) == 2
    for flow in FLOWS:
        (airflow.dags / f"{flow}.flow.yaml").unlink()
        airflow.patch(f"/dags/{flow}/dagRuns/{held[flow]}", {"state": "failed"})
    airflow.wait_for(lambda: FLOWS.isdisjoint(airflow.active_dags()), "the flows to go")


def _count(airflow: MovedAirflow, state: str) -> int:
    runs = airflow.get("/dags/~/dagRuns", **OURS, state=state, limit=1)
    return int(runs["total_entries"])


def _schedulers(airflow: MovedAirflow) -> list[int]:
    jobs = airflow.get("/jobs", job_type="SchedulerJob", job_state="running", is_alive="true")["jobs"]
    return [job["id"] for job in jobs]


def _makers(airflow: MovedAirflow) -> set[int]:
    """Return the jobs of the schedulers that made the runs."""
    with airflow.server.connect(dbname=airflow.database) as connection:
        rows = connection.execute(
            "SELECT DISTINCT creating_job_id FROM dag_run"
            " WHERE starts_with(dag_id, 'shared_') AND run_type = 'scheduled'"
        )
        return {job for (job,) in rows}
