"""Cases come from seeds alone, have the shapes that were asked for, and come to all that is interesting."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

from dag_factory.validation import validate_bytes
from tests.end_to_end.model.cases import Case, Start
from tests.end_to_end.model.generator import CONCURRENCY, ERROR_HANDLING, MOST_NODES, case
from tests.end_to_end.model.ledger import WORK
from tests.end_to_end.model.rules import Model, RunState
from tests.end_to_end.model.situations import situations

REPOSITORY = Path(__file__).parents[3]


@cache
def cases() -> list[Case]:
    """Return the cases that are looked at; to make them takes seconds, which no other test process needs."""
    return [case(seed) for seed in range(60)]


def test_a_seed_is_the_same_case_in_another_process() -> None:
    code = "from tests.end_to_end.model.generator import case; print(case(17))"
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    assert output.strip() == str(case(17))


def test_twelve_seeds_have_each_pair_of_policies() -> None:
    pairs = {(one.error_handling, one.concurrency) for one in cases()[:12]}
    assert pairs == {(first, second) for first in ERROR_HANDLING for second in CONCURRENCY}


def test_all_runs_end() -> None:
    for one in cases():
        model = Model(one)
        for step in one.steps:
            for event in step.events:
                model.apply(event)
        assert all(run.state is not RunState.RUNNING for run in model.runs), one.describe()
        assert 1 <= len(model.runs) <= 3
        assert len(one.nodes) <= MOST_NODES


def test_they_come_to_what_the_truth_table_is_about() -> None:
    found = Counter(text for one in cases() for text in situations(one))
    for policy in ERROR_HANDLING:
        assert found[f"{policy}: a node is working when another fails"]
        assert found[f"{policy}: a node is between tries when another fails"]
        assert found[f"{policy}: the flow has an answer to a failure"]
        assert all(found[f"{policy}: failed by {how}"] for how in ("fail", "kill", "mark"))
    for policy in ("complete_running_tasks", "complete_unrelated_tasks"):
        assert found[f"{policy}: an answer begins after a failure"]
    for policy in CONCURRENCY:
        assert found[f"{policy}: a run starts beside another"]
    for policy in ("parallel_mode_1", "parallel_mode_2"):
        assert found[f"{policy}: a node waits"]
        assert found[f"{policy}: a node has waited"]
    assert found["a condition may be false"]
    assert any(
        sum(isinstance(event, Start) for step in one.steps for event in step.events) == 3 for one in cases()
    )


def test_their_flows_are_specs_without_a_mistake() -> None:
    for one in cases():
        validated = validate_bytes(one.spec_text(WORK).encode(), file=one.name, path=None, root=None)
        assert set(validated.flow.nodes) == set(one.nodes)
        assert not validated.warnings
