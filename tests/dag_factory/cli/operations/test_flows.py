"""``list``, ``show``, ``freeze``, ``unfreeze``."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from dag_factory.builder.docs import flow_docs, spec_in_docs
from dag_factory.validation import validate_bytes
from tests.dag_factory.cli.operations.conftest import FLOW, Dms, Metadata

UNSCHEDULED = FLOW.replace("schedule:\n  timezone: America/New_York\n  day: {{at: 02:55}}\n", "")


def test_list(dms: Dms, metadata: Metadata) -> None:
    metadata.add_flow("by_hand", concurrency="ignore", text=UNSCHEDULED)
    metadata.add_flow("daily__draft")
    metadata.set_flow(next_dagrun_create_after=datetime(2023, 1, 2, 7, 55, tzinfo=timezone.utc))
    dms("run", "by_hand")
    listed = {flow["flow"]: flow for flow in dms("list", "--output", "json").json}
    by_hand, daily, draft = listed["by_hand"], listed["daily"], listed["daily__draft"]
    assert list(listed) == sorted(listed)
    assert daily == {
        "flow": "daily",
        "name": "daily",
        "owner": "alice",
        "policies": {"error_handling": "complete_running_tasks", "concurrency": "skip"},
        "schedule": "every day 02:55 (America/New_York)",
        "cron": "55 2 * * *",
        "next_run": "2023-01-02T02:55:00-05:00",
        "last_state": None,
        "draft": False,
        "frozen": False,
        "paused": False,
    }
    assert (by_hand["flow"], by_hand["schedule"], by_hand["last_state"]) == ("by_hand", None, "queued")
    assert (draft["flow"], draft["draft"], draft["next_run"]) == ("daily__draft", True, None)


@pytest.mark.parametrize(
    ("state", "decided", "shown"),
    [
        ("running", {}, "running"),
        ("success", {}, "success"),
        ("success", {"skipped_for": "another"}, "skipped"),
        ("failed", {"refused": "no such node"}, "refused"),
    ],
)
def test_last_state(dms: Dms, metadata: Metadata, state: str, decided: dict[str, str], shown: str) -> None:
    dms("run", "daily")
    dms("run", "daily")
    metadata.set_run(metadata.runs()[-1].run_id, state, **decided)
    (daily,) = dms("list", "--output", "json").json
    assert daily["last_state"] == shown
    assert dms("list").out.splitlines()[1].endswith(f"  {shown}")


def test_a_flow_that_is_gone_is_not_listed(dms: Dms, metadata: Metadata) -> None:
    metadata.set_flow(is_stale=True)
    assert dms("list", "--output", "json").json == []


def test_show(dms: Dms, metadata: Metadata) -> None:
    dms("run", "daily", "--business-time", "2023-01-01")
    (run,) = metadata.runs()
    metadata.set_run(run.run_id, "success", kind="point_in_time", skipped_for="another")
    shown = dms("show", "daily", "--output", "json").json
    last_run = shown["last_run"]
    assert datetime.fromisoformat(last_run.pop("end")).utcoffset() is not None
    assert last_run == {
        "run_id": run.run_id,
        "kind": "point_in_time",
        "business_time": "2023-01-01T00:00:00-05:00",
        "state": "skipped",
        "start": None,
        "skipped_for": "another",
        "refused": None,
    }
    assert shown["nodes"][1] == {
        "node": "many",
        "name": "many",
        "type": "conditional_branch",
        "after": ["count"],
    }
    expected = {
        "flow": "daily",
        "scenario": "default",
        "creator": "alice",
        "stakeholders": ["bob"],
        "public": False,
        "timezone": "America/New_York",
        "quartz": "0 55 2 * * ?",
        "timeout": 64800,
        "version": 1,
        "last_state": "skipped",
        "problem": None,
    }
    assert {key: shown[key] for key in expected} == expected


def test_show_tells_why_nothing_could_start(dms: Dms, metadata: Metadata) -> None:
    metadata.set_flow(is_paused=True)
    outcome = dms("show", "daily")
    assert "paused: yes\n" in outcome.out
    assert "problem: daily is paused" in outcome.out


@pytest.mark.parametrize("command", ["show", "freeze", "unfreeze"])
def test_an_unknown_flow(dms: Dms, metadata: Metadata, command: str) -> None:
    outcome = dms(command, "dayly", "--output", "json")
    assert (outcome.status, outcome.out) == (2, "")
    assert "Airflow has no flow 'dayly'; did you mean daily?" in outcome.err
    assert metadata.variables() == {}


def test_freeze_and_unfreeze(dms: Dms, metadata: Metadata) -> None:
    assert dms("freeze", "daily", "--output", "json").json == {"flow": "daily", "frozen": True}
    frozen = metadata.variables()
    assert frozen.keys() == {"dms_frozen_daily"}
    said = json.loads(frozen["dms_frozen_daily"])
    assert said.keys() == {"since", "by"}
    assert datetime.fromisoformat(said["since"]).tzinfo is not None

    dms("freeze", "daily")
    assert metadata.variables() == frozen
    (daily,) = dms("list", "--output", "json").json
    assert (daily["frozen"], daily["next_run"]) == (True, None)
    assert dms("run", "daily").status == 0

    assert dms("unfreeze", "daily", "--output", "json").json == {"flow": "daily", "frozen": False}
    unfrozen = metadata.variables()
    assert unfrozen.keys() == {"dms_unfrozen_daily"}
    assert datetime.fromisoformat(unfrozen["dms_unfrozen_daily"]) > datetime.fromisoformat(said["since"])
    dms("unfreeze", "daily")
    assert metadata.variables() == unfrozen


@pytest.mark.parametrize("ending", ["", "# ```yaml\n", "# ``` and ````yaml\n# ````"])
def test_the_spec_is_found_in_the_docs(ending: str) -> None:
    text = (
        FLOW.format(id="daily", concurrency="skip").replace("owner", "description: '```yaml'\nowner") + ending
    )
    flow = validate_bytes(text.encode(), file="daily.flow.yaml", path=None, root=None).flow
    assert spec_in_docs(flow_docs(flow, text, None)) == text
    assert spec_in_docs("nothing") is None
