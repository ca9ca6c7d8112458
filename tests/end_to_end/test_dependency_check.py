"""Flows that wait for other flows, with a real scheduler, triggerer and API server."""

from __future__ import annotations

from typing import Any

import yaml

from tests.dms_provider.databases import Database
from tests.end_to_end.airflow_instance import AirflowInstance
from tests.end_to_end.test_table_time_check import execute

IN_JANUARY = {"day": {"at": "02:00"}, "effective": {"from": "2024-01-01", "to": "2024-01-31"}}
"""No slot of it is to come; backfills make them."""
GATE = {
    "type": "table_time_check", "database": "postgres", "table": "gate", "time_column": "day",
    "since": "2000-01-01", "where": "CASE WHEN day = '${bizdate}' THEN 1 / divisor END = 1", "interval": "1s",
}  # fmt: skip
"""Waits for a row of its business date; a row whose divisor is 0 fails it."""


def check(flow: str, **more: Any) -> dict[str, Any]:
    return {"wait": {"type": "dependency_check", "flow": flow, "interval": "1s", **more}}


FLOWS: dict[str, dict[str, Any]] = {
    "up": {"schedule": IN_JANUARY, "nodes": {"gate": GATE}},
    "never": {"schedule": IN_JANUARY, "nodes": {"gate": GATE}},
    "down": {"nodes": check("up")},
    "fails": {"nodes": check("up", node="gate", on_failed="fail")},
    "first": {"nodes": check("never", first_run="pass")},
    "chain": {"schedule": IN_JANUARY, "nodes": check("chain")},
}


class Waiting:
    """Runs of the flows above, by their business dates.

    :param airflow: that runs them
    :param database: of the tables that they look into
    """

    def __init__(self, airflow: AirflowInstance, database: Database) -> None:
        self.airflow = airflow
        self._database = database

    def make(self) -> None:
        """Make the flows and their tables."""
        execute(self._database, "DROP TABLE IF EXISTS gate", "CREATE TABLE gate (day date, divisor integer)")
        for flow_id, spec in FLOWS.items():
            text = yaml.safe_dump(
                {"version": 1, "owner": "alice", "concurrency": "ignore", **spec}, sort_keys=False
            )
            (self.airflow.dags / f"{flow_id}.flow.yaml").write_text(text, encoding="utf-8")
        self.airflow.wait_for(lambda: FLOWS.keys() <= self.airflow.active_dags(), "all flows to be active")

    def execute(self, statement: str) -> None:
        """Change the tables."""
        execute(self._database, statement)

    def trigger(self, flow_id: str, day: str, **asked: Any) -> str:
        """Start a run about 02:00 on a day of January."""
        return self.airflow.trigger(
            flow_id, conf={"dms": {"business_time": f"2024-01-{day}T02:00:00", **asked}}
        )

    def backfill(self, flow_id: str, first: str, last: str) -> dict[str, str]:
        """Have Airflow make the runs of slots on some days.

        :return: business date -> run id
        """
        slots = [f"2024-01-{day}T02:00:00+08:00" for day in (first, last)]
        asked = {"dag_id": flow_id, "from_date": slots[0], "to_date": slots[1], "dag_run_conf": {}}
        self.airflow.post("/backfills", {**asked, "max_active_runs": 10})

        def made() -> dict[str, str] | None:
            runs = self.airflow.get(f"/dags/{flow_id}/dagRuns", limit=100)["dag_runs"]
            # a slot at 02:00 in Shanghai is on the day before in UTC, which is the day that it is about
            found = {
                run["run_after"][8:10]: run["dag_run_id"] for run in runs if run["run_type"] == "backfill"
            }
            return found if len(found) == int(last) - int(first) + 1 else None

        return self.airflow.wait_for(made, f"the runs of {slots}")

    def log(self, flow_id: str, run_id: str) -> str:
        """Return the log of the check, of worker and triggerer."""
        return self.airflow.task_log(flow_id, run_id, "wait")

    def says(self, flow_id: str, run_id: str, words: str) -> None:
        """Wait until the check logs something."""
        self.airflow.wait_for(
            lambda: words in self._log_so_far(flow_id, run_id), f"{flow_id} to say {words!r}"
        )

    def _log_so_far(self, flow_id: str, run_id: str) -> str:
        has_begun = self.airflow.task_states(flow_id, run_id).get("wait") not in (None, "scheduled", "queued")
        return self.log(flow_id, run_id) if has_begun else ""


def test_flows_wait_for_flows(waiting_airflow: AirflowInstance, databases: dict[str, Database]) -> None:
    airflow = waiting_airflow
    waiting = Waiting(airflow, databases["postgres"])
    waiting.make()
    waiting.execute("INSERT INTO gate VALUES ('2024-01-06', 0)")
    down, down_failed, down_dry = (waiting.trigger("down", day) for day in ("05", "06", "07"))
    waiting.says("down", down, "2024-01-05 02:00:00 absent")
    backfilled = waiting.backfill("up", "06", "07")
    up, failed_up = backfilled["05"], backfilled["06"]
    fails = waiting.trigger("fails", "06")
    waiting.says("down", down, f"2024-01-05 02:00:00 running ({up})")

    # dry runs count, and begin a chain
    seeds = [waiting.trigger(flow, day, dry_run=True) for flow, day in (("up", "07"), ("chain", "04"))]
    chain, first = waiting.trigger("chain", "05"), waiting.trigger("first", "05")
    waiting.execute("INSERT INTO gate VALUES ('2024-01-05', 1)")
    done = (("down", down, up), ("down", down_dry, seeds[0]), ("chain", chain, seeds[1]))
    for flow_id, run_id, upstream in done:
        airflow.succeed(flow_id, run_id)
        # the triggerer writes its last lines a little later
        waiting.says(flow_id, run_id, f"done ({upstream})")
    assert "Would wait for latest of chain, previous_cycle" in waiting.log("chain", seeds[1])
    airflow.succeed("first", first)
    assert "never ran before: first_run is pass" in waiting.log("first", first)

    assert airflow.wait_for_run("fails", fails) == "failed"
    assert f"on_failed is fail: 2024-01-06 02:00:00 failed ({failed_up})" in waiting.log("fails", fails)
    waiting.says("down", down_failed, f"2024-01-06 02:00:00 failed ({failed_up})")
    assert airflow.task_states("down", down_failed)["wait"] == "deferred"
    waiting.execute("UPDATE gate SET divisor = 1")
    airflow.post(f"/dags/up/dagRuns/{failed_up}/clear", {"dry_run": False, "only_failed": False})
    airflow.succeed("down", down_failed)
