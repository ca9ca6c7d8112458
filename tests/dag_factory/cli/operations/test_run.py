"""``run``: what is asked of the runs that are made, and that none is made for nothing."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.models.log import Log
from airflow.utils.session import create_session
from sqlalchemy import select

from tests.dag_factory.cli.operations.conftest import Dms, Metadata, Scheduler

NEW_YORK = "America/New_York"


def asked(metadata: Metadata) -> list[dict[str, Any]]:
    return [run.conf.get("dms", {}) for run in metadata.runs()]


def test_a_try_run(dms: Dms, metadata: Metadata) -> None:
    outcome = dms("run", "daily", "--output", "json")
    assert outcome.status == 0
    (run,) = metadata.runs()
    assert (run.dag_id, str(run.run_type), run.logical_date, run.conf) == ("daily", "manual", None, {})
    (made,) = outcome.json["runs"]
    assert outcome.json == {"flow": "daily", "runs": [made]}
    assert made.keys() == {"run_id", "business_time", "state"}
    assert (made["run_id"], made["state"]) == (run.run_id, "queued")
    assert made["business_time"].endswith(("-04:00", "-05:00"))


@pytest.mark.parametrize(
    ("options", "conf"),
    [
        (["--business-time", "2013-07-10T02:30"], {"business_time": "2013-07-10T02:30:00-04:00"}),
        (["--business-time", "2013-07-10T06:30Z"], {"business_time": "2013-07-10T02:30:00-04:00"}),
        (["--dry-run"], {"dry_run": True}),
        (["--node", "report"], {"node": "report"}),
        (
            ["--from-node", "many", "--set", "late=120"],
            {"from_node": "many", "outputs": {"late": "120"}},
        ),
        (["--set", "late=a=b"], {"outputs": {"late": "a=b"}}),
    ],
)
def test_what_is_asked_is_in_the_conf(
    dms: Dms, metadata: Metadata, options: list[str], conf: dict[str, Any]
) -> None:
    assert dms("run", "daily", *options).status == 0
    assert asked(metadata) == [conf]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["daly"], 2, "Airflow has no flow 'daly'; did you mean daily?"),
        (["daily", "--node", "reprt"], 2, "daily has no node 'reprt'; did you mean report"),
        (["daily", "--from-node", "dms__outcome"], 2, "daily has no node 'dms__outcome'"),
        (["daily", "--node", "many", "--from-node", "many"], 2, "--node or --from-node, not both"),
        (["daily", "--from", "2023-01-01", "--to", "2023-01-02"], 2, "belong together"),
        (["daily", "--from", "2023-01-01", "--every", "1d"], 2, "belong together"),
        (["daily", "--to", "2023-01-02", "--keep-going"], 2, "--to, --keep-going: only with --from"),
        (["daily", "--from", "2023-01-02", "--to", "2023-01-01", "--every", "1d"], 2, "is later than"),
        (["daily", "--from", "2023-01-01", "--to", "2023-01-02", "--every", "0d"], 2, "is no step"),
        (["daily", "--from", "2023-01-01", "--to", "2023-02-01", "--every", "1s"], 2, "more than 10000"),
        (["daily", "--business-time", "yesterday"], 2, "'yesterday' is no time"),
        (["daily", "--business-time", "9999-12-31"], 2, "has no day after it"),
        (["daily", "--set", "late"], 2, "write NAME=VALUE"),
        (["daily", "--set", "lat=1"], 2, "no node of daily gives 'lat'; did you mean late?"),
    ],
)
def test_wrong_usage_makes_no_run(
    dms: Dms, metadata: Metadata, arguments: list[str], status: int, message: str
) -> None:
    outcome = dms("run", *arguments, "--output", "json")
    assert (outcome.status, outcome.out) == (status, "")
    assert message in outcome.err
    assert metadata.runs() == []


def test_a_paused_flow_gets_no_run(dms: Dms, metadata: Metadata) -> None:
    metadata.set_flow(is_paused=True)
    outcome = dms("run", "daily")
    assert outcome.status == 1
    assert "airflow dags unpause daily" in outcome.err
    assert metadata.runs() == []


def test_a_flow_with_a_broken_spec_gets_no_run(dms: Dms, metadata: Metadata) -> None:
    metadata.add_import_error("reports/daily.flow.yaml.py", "daily.flow.yaml:3:1: wrong-type no\n")
    outcome = dms("run", "daily")
    assert outcome.status == 1
    assert "daily.flow.yaml:3:1: wrong-type no" in outcome.err
    assert metadata.runs() == []


def test_another_spec_may_be_broken(dms: Dms, metadata: Metadata) -> None:
    metadata.add_import_error("hourly.flow.yaml.py", "hourly.flow.yaml:3:1: wrong-type no\n")
    assert dms("run", "daily").status == 0


def test_a_flow_that_is_gone_gets_no_run(dms: Dms, metadata: Metadata) -> None:
    metadata.set_flow(is_stale=True)
    metadata.add_import_error("renamed.flow.yaml.py", "no")
    outcome = dms("run", "daily")
    assert outcome.status == 1
    assert "daily is gone" in outcome.err
    assert "renamed.flow.yaml.py" in outcome.err
    assert metadata.runs() == []


@pytest.mark.parametrize(
    ("end", "status", "state"),
    [("success", 0, "success"), ("failed", 1, "failed"), ("skipped", 1, "skipped")],
)
def test_waiting_ends_with_the_run(dms: Dms, scheduler: Scheduler, end: str, status: int, state: str) -> None:
    scheduler.ends = [end]
    outcome = dms("run", "daily", "--wait", "--output", "json")
    assert outcome.status == status
    assert [run["state"] for run in outcome.json["runs"]] == [state]
    assert "queued, 0 of 5 nodes finished\n" in outcome.err
    assert f"{state}, 0 of 5 nodes finished" in outcome.err


def days(metadata: Metadata) -> list[str]:
    return [conf["business_time"] for conf in asked(metadata)]


RANGE = ["--from", "2023-03-10T02:30", "--to", "2023-03-13T02:30", "--every", "1d"]
OVER_THE_CLOCK_CHANGE = [
    "2023-03-10T02:30:00-05:00",
    "2023-03-11T02:30:00-05:00",
    "2023-03-12T02:30:00-05:00",  # a time that does not exist on that day
    "2023-03-13T02:30:00-04:00",
]


def test_a_range_runs_one_after_the_other(dms: Dms, metadata: Metadata, scheduler: Scheduler) -> None:
    outcome = dms("run", "daily", *RANGE, "--output", "json")
    assert outcome.status == 0
    assert days(metadata) == OVER_THE_CLOCK_CHANGE
    assert {conf["time_range"] for conf in asked(metadata)} == {True}
    assert [run["state"] for run in outcome.json["runs"]] == ["success"] * 4


def test_a_range_beside_the_slots(dms: Dms, metadata: Metadata, scheduler: Scheduler) -> None:
    outcome = dms("run", "daily", "--from", "2023-03-10T02:55", "--to", "2023-03-11", "--every", "12h")
    assert outcome.status == 0
    assert (
        "1 of 2 business times, the first 2023-03-10T14:55:00-05:00, are none of the schedule" in outcome.err
    )


def test_a_range_backwards(dms: Dms, metadata: Metadata, scheduler: Scheduler) -> None:
    assert dms("run", "daily", *RANGE, "--reverse").status == 0
    assert days(metadata) == OVER_THE_CLOCK_CHANGE[::-1]


def test_hours_are_time_that_passes(dms: Dms, metadata: Metadata, scheduler: Scheduler) -> None:
    assert (
        dms("run", "daily", "--from", "2023-03-12", "--to", "2023-03-12T06:00", "--every", "2h").status == 0
    )
    assert [day[11:] for day in days(metadata)] == ["00:00:00-05:00", "03:00:00-04:00", "05:00:00-04:00"]


@pytest.mark.parametrize("end", ["failed", "skipped"])
def test_a_range_stops_at_the_first_run_without_success(
    dms: Dms, metadata: Metadata, scheduler: Scheduler, end: str
) -> None:
    scheduler.ends = ["success", end, "success"]
    outcome = dms("run", "daily", *RANGE, "--output", "json")
    assert outcome.status == 1
    assert [run["state"] for run in outcome.json["runs"]] == ["success", end]
    assert days(metadata) == OVER_THE_CLOCK_CHANGE[:2]
    assert "2 later business times were not run" in outcome.err


def test_a_range_goes_on_if_told_so(dms: Dms, metadata: Metadata, scheduler: Scheduler) -> None:
    scheduler.ends = ["success", "failed", "success"]
    outcome = dms("run", "daily", *RANGE, "--keep-going", "--output", "json")
    assert outcome.status == 1
    assert [run["state"] for run in outcome.json["runs"]] == ["success", "failed", "success", "success"]


def test_an_interruption_says_which_run_goes_on(dms: Dms, metadata: Metadata, scheduler: Scheduler) -> None:
    scheduler.interrupt_at = 2
    outcome = dms("run", "daily", *RANGE, "--output", "json")
    second = metadata.runs()[-1]
    assert outcome.status == 1
    assert [run["state"] for run in outcome.json["runs"]] == ["success", "queued"]
    assert f"no longer waiting; {second.run_id} goes on\n" in outcome.err


def test_the_audit_log_has_it(dms: Dms, metadata: Metadata) -> None:
    assert dms("run", "daily").status == 0
    with create_session() as session:
        entries = session.scalars(select(Log).where(Log.event == "cli_dms_run", Log.dag_id == "daily")).all()
    assert entries


def test_airflow_may_allow_no_such_runs(dms: Dms, metadata: Metadata) -> None:
    metadata.set_flow(allowed_run_types=["scheduled"])
    outcome = dms("run", "daily")
    assert outcome.status == 1
    assert "Airflow makes no such run of daily" in outcome.err
    assert metadata.runs() == []
