"""Airflow's backfill of a flow: it names slots, and makes those of a schedule that is not enabled too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.end_to_end.schedules.moved_airflow import MovedAirflow
from tests.end_to_end.schedules.story import moment, runs_made, spec

BEGIN = moment("2025-03-02 00:00")
SCHEDULE = {"timezone": "Europe/Berlin", "day": {"at": "02:30"}}
FIRST, LAST = "2024-10-26T00:30:00+00:00", "2024-10-28T01:30:00+00:00"
EXPECTED = {
    "2024-10-26 00:30": "2024-10-25 02:30:00",
    "2024-10-27 00:30": "2024-10-26 02:30:00",  # on this day 02:30 comes twice
    "2024-10-28 01:30": "2024-10-27 02:30:00",
}


def _expected(times: int) -> list[tuple[Any, ...]]:
    """Return the runs, and as often as each has been run the business time of its conf and nodes."""
    return [
        (moment(slot), "backfill time_range", "success", [business_time] * (1 + times))
        for slot, business_time in EXPECTED.items()
    ]


def test_slots_from_the_first_to_the_last(moved_airflow: MovedAirflow, written_down: Path) -> None:
    airflow = moved_airflow
    airflow.move_clock(BEGIN)
    airflow.write_flow("enabled", spec(SCHEDULE))
    airflow.write_flow("not_enabled", spec({**SCHEDULE, "enabled": "false"}))
    airflow.write_flow("edited.draft", spec(SCHEDULE))
    flows = {"enabled", "not_enabled", "edited__draft"}
    airflow.wait_for(lambda: flows <= airflow.active_dags(), "the flows to be active")

    create = ("backfill", "create", "--from-date", FIRST, "--to-date", LAST, "--dag-id")
    status, output = airflow.command(*create, "enabled")
    assert status == 0, output
    _backfill(airflow, "not_enabled", "none")
    status, output = airflow.command(*create, "edited__draft")
    assert status == 1
    assert "edited__draft has a non-periodic schedule that does not support backfills" in output

    airflow.wait_until_quiet(airflow.clock.now())
    assert runs_made(airflow, written_down, "enabled") == _expected(1)
    assert runs_made(airflow, written_down, "not_enabled") == _expected(1)
    assert runs_made(airflow, written_down, "edited__draft") == []

    # the scheduler closes a backfill up to 30 s after its last run, and there can be only one at a time
    (created,) = airflow.get("/backfills", dag_id="enabled")["backfills"]
    answer = airflow.client.put(f"/backfills/{created['id']}/cancel")
    assert answer.status_code in (200, 409), answer.text  # 409: it is closed already
    _backfill(airflow, "enabled", "completed")
    airflow.wait_until_quiet(airflow.clock.now())
    assert runs_made(airflow, written_down, "enabled") == _expected(2)


def _backfill(airflow: MovedAirflow, flow: str, again: str) -> None:
    airflow.post(
        "/backfills",
        {
            "dag_id": flow,
            "from_date": FIRST,
            "to_date": LAST,
            "reprocess_behavior": again,
            "max_active_runs": 10,
        },
    )
