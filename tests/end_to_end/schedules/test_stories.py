"""Each flow of a story makes exactly the runs that it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.schedules.moved_airflow import MovedAirflow
from tests.end_to_end.schedules.story import STORIES, Story, runs_made


@pytest.mark.parametrize("path", sorted(STORIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_story(moved_airflow: MovedAirflow, written_down: Path, path: Path) -> None:
    story = Story(path)
    story.play(moved_airflow)
    for flow, told in story.flows.items():
        assert runs_made(moved_airflow, written_down, flow) == [
            (slot, "scheduled scheduled", "success", [business_time] * 2)
            for slot, business_time in told.runs.items()
        ], flow
    assert story.untold(moved_airflow) == []
