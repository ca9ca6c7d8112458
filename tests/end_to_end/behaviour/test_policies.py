"""Each scenario of ``tests/flows/policies`` ends as it says; together they show the whole truth table."""

from __future__ import annotations

import pytest

from tests.end_to_end.behaviour.cells import unknown, without_scenario
from tests.end_to_end.behaviour.compare import describe, differences
from tests.end_to_end.behaviour.component_logs import logged_of
from tests.end_to_end.behaviour.load import load_scenarios
from tests.end_to_end.behaviour.scenario import Seen

SCENARIOS = load_scenarios()


def test_every_cell_of_the_truth_table_has_a_scenario() -> None:
    assert without_scenario(SCENARIOS) == []
    assert unknown(SCENARIOS) == []


@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_scenario(name: str, seen_of_policies: dict[str, Seen]) -> None:
    seen = seen_of_policies[name]
    if differs := differences(seen):
        shows = ", ".join(seen.scenario.shows)
        logged = [*logged_of(seen), f"logs: {seen.logs}"]
        lines = [f"{name} ({shows})", *differs, "seen:", describe(seen), *logged]
        pytest.fail("\n".join(lines), pytrace=False)
