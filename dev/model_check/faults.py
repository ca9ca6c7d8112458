"""Faults to put into a copy of the product: each a small change of its text, of a kind of its own."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.airflow_instance import PACKAGES, REPOSITORY, AirflowInstance
from tests.end_to_end.model.cases import Case
from tests.end_to_end.model.situations import situations

NEEDED = 14
"""So many of the faults must be found."""

_COMPONENTS = ("scheduler", "dag-processor", "triggerer")
_POLICIES = "dms_provider/policies"
_OPERATORS = "dms_provider/operators"


class FaultDoesNotFit(ValueError):
    """The text that a fault replaces does not stand in the product exactly once."""


@dataclass(frozen=True)
class Fault:
    """A change that makes the product wrong.

    :param name: of the fault
    :param kind: what goes wrong
    :param about: words of the situations in which it can matter
        (:mod:`tests.end_to_end.model.situations`)
    :param changes: file, text that stands there once, text to put there
    """

    name: str
    kind: str
    about: str
    changes: tuple[tuple[str, str, str], ...]

    def cases(self, candidates: Iterable[Case], count: int) -> list[Case]:
        """Return the first cases in which the fault can matter.

        :param count: how many at most
        """
        matter = (one for one in candidates if any(self.about in text for text in situations(one)))
        return list(itertools.islice(matter, count))

    def apply(self, folder: Path) -> None:
        """Change the packages in a folder.

        :raises FaultDoesNotFit: the product has changed since the fault was written
        """
        for file, old, new in self.changes:
            path = folder / file
            text = path.read_text(encoding="utf-8")
            if text.count(old) != 1:
                raise FaultDoesNotFit(f"{self.name}: {file} has {text.count(old)} times: {old}")
            path.write_text(text.replace(old, new), encoding="utf-8")


def put_into(airflow: AirflowInstance, fault: Fault) -> None:
    """Let an Airflow go on with the packages of the checkout and one fault in its copy of them.

    :param airflow: its API server stays as it is: no policy is obeyed there
    :raises FaultDoesNotFit: the product has changed since the fault was written
    """
    for component in _COMPONENTS:
        airflow.end(component, kill=True)
    copy_packages(airflow.home / "packages", fault)
    with airflow.server.connect(dbname=airflow.database, autocommit=True) as connection:
        connection.execute("UPDATE job SET state = 'failed' WHERE state = 'running'")
        for component in _COMPONENTS:
            airflow.launch(component)
        running = "SELECT count(DISTINCT job_type) FROM job WHERE state = 'running'"
        airflow.wait_for(
            lambda: connection.execute(running).fetchone()[0] >= len(_COMPONENTS),
            "the components with a fault",
        )


def copy_packages(folder: Path, fault: Fault) -> None:
    """Put the packages of the checkout into a folder, with a fault.

    :raises FaultDoesNotFit: the product has changed since the fault was written
    """
    shutil.rmtree(folder, ignore_errors=True)
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / package, folder / package, ignore=ignored)
    fault.apply(folder)


FAULTS = (
    Fault(
        "skip-ignores",
        "a run that should be skipped runs",
        "skip: a run starts beside another",
        (
            (
                f"{_POLICIES}/coupling.py",
                'if concurrency == "ignore":',
                'if concurrency in ("ignore", "skip"):',
            ),
        ),
    ),
    Fault(
        "skipped-run-notifies",
        "a callback too many",
        "a run is skipped",
        (
            (
                f"{_POLICIES}/run_start.py",
                "conf=with_said(given, **decided), state=DagRunState.SUCCESS)",
                "conf=with_said(given, **decided))",
            ),
        ),
    ),
    Fault(
        "mode-1-waits-as-mode-2",
        "waits too long",
        "parallel_mode_1: a node has waited",
        (
            (
                f"{_POLICIES}/coupling.py",
                'concurrency == "parallel_mode_1"',
                'concurrency == "parallel_mode_0"',
            ),
        ),
    ),
    Fault(
        "mode-2-waits-as-mode-1",
        "does not wait for all that it should",
        "parallel_mode_2: a node waits",
        ((f"{_POLICIES}/coupling.py", 'else "same_node_and_downstream"', 'else "same_node"'),),
    ),
    Fault(
        "scope-is-not-read",
        "a setting without effect",
        "parallel_mode_2: a node waits for its direct children only",
        ((f"{_POLICIES}/guard.py", 'mode_2_scope == "direct"', 'mode_2_scope == "nearest"'),),
    ),
    Fault(
        "between-tries-is-finished",
        "a state is misread",
        "a node waits for one between tries",
        (
            (
                "dms_provider/triggers/run_states.py",
                'FINISHED = frozenset({"success",',
                'FINISHED = frozenset({"up_for_retry", "success",',
            ),
        ),
    ),
    Fault(
        "waits-on-the-worker",
        "a wait holds a worker",
        "a node waits",
        (
            (
                f"{_OPERATORS}/base.py",
                'self.defer(trigger=trigger, method_name="begin")',
                'return __import__("time").sleep(2) or self.begin(context)',
            ),
        ),
    ),
    Fault(
        "answers-are-held",
        "the answer to a failure does not run",
        "complete_running_tasks: an answer begins after a failure",
        (
            (
                f"{_POLICIES}/rules.py",
                "return self.holds_back and (self.stops or not answers_failure)",
                "return self.holds_back",
            ),
        ),
    ),
    Fault(
        "nothing-is-held",
        "goes on after a failure",
        "complete_running_tasks: a node is held back",
        (
            (
                f"{_POLICIES}/rules.py",
                'return self.error_handling != "complete_unrelated_tasks"',
                'return self.error_handling == "immediately_stop_all_tasks"',
            ),
        ),
    ),
    Fault(
        "nothing-is-stopped",
        "what is going is not stopped",
        "immediately_stop_all_tasks: a node is working when another fails",
        ((f"{_POLICIES}/watch.py", "WATCH_SECONDS = 5.0", "WATCH_SECONDS = 36000.0"),),
    ),
    Fault(
        "held-before-retries-are-used-up",
        "holds back too early",
        "_tasks: a node begins while another is between tries",
        (
            (f"{_POLICIES}/guard.py", 'states=["failed"])', 'states=["failed", "up_for_retry"])'),
            (
                f"{_POLICIES}/guard.py",
                'if str(state) == "failed" and',
                'if str(state) in ("failed", "up_for_retry") and',
            ),
        ),
    ),
    Fault(
        "tried-again-after-a-failure",
        "a try too many",
        "complete_running_tasks: not tried again after a failure, by fail",
        (
            (
                f"{_POLICIES}/guard.py",
                "if not self._is_held_back_by_a_failure or self._ti.try_number > self._ti.max_tries:",
                "if self._is_held_back_by_a_failure or self._ti.try_number > self._ti.max_tries:",
            ),
        ),
    ),
    Fault(
        "between-tries-is-not-held",
        "a retry is left waiting after a failure",
        "complete_running_tasks: a node is between tries when another fails",
        (
            (
                f"{_OPERATORS}/helpers.py",
                "        if state in _BETWEEN_TRIES:\n            return True\n",
                "        if state in _BETWEEN_TRIES:\n            return False\n",
            ),
        ),
    ),
    Fault(
        "failure-is-hidden",
        "a failed run is reported as success",
        "complete_running_tasks: failed by",
        ((f"{_OPERATORS}/helpers.py", 'trigger_rule="none_failed"', 'trigger_rule="all_done"'),),
    ),
    Fault(
        "false-skips-children-only",
        "runs below a false condition",
        "a condition may be false far above a node",
        (
            (
                f"{_OPERATORS}/conditional_branch.py",
                'context["task"].get_flat_relative_ids(upstream=False)',
                'context["task"].downstream_task_ids',
            ),
        ),
    ),
)
