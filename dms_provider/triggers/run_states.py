"""What the runs of a flow are doing, asked once for all triggers of one triggerer that want to know."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
"""States of a task instance that has finished."""
_RUNS_A_QUESTION = 100
"""More do not stand in the address of one question."""


class RunStates:
    """States of the task instances of some runs of one flow, at most some seconds old.

    :param dag_id: of the flow
    :param interval: seconds between two questions, however many triggers wait
    """

    _of_flows: dict[str, RunStates] = {}  # noqa: RUF012 - shared by all triggers of this process

    def __init__(self, dag_id: str, interval: float) -> None:
        self._dag_id = dag_id
        self._interval = interval
        self._runs: Counter[str] = Counter()
        self._states: Mapping[str, Mapping[str, Any]] = {}
        self._going: frozenset[str] = frozenset()
        self._asked_for: frozenset[str] = frozenset()
        self._asked_at = float("-inf")
        self._lock = asyncio.Lock()

    @classmethod
    def of(cls, dag_id: str, interval: float) -> RunStates:
        """Return what is shared by all triggers that watch runs of one flow."""
        shared = cls._of_flows.get(dag_id)
        if shared is None:
            shared = cls._of_flows[dag_id] = cls(dag_id, interval)
        return shared

    def watch(self, *run_ids: str) -> None:
        """Ask for these runs as well, from now on."""
        self._runs.update(run_ids)

    def leave(self, *run_ids: str) -> None:
        """Ask for these runs no longer, unless another trigger watches them."""
        self._runs.subtract(run_ids)
        self._runs += Counter()
        if not self._runs:
            self._of_flows.pop(self._dag_id, None)

    async def ask(self) -> None:
        """Wait for news of all runs that are watched.

        :raises Exception: whatever Airflow's API answers instead; ask again
        """
        async with self._lock:
            if time.monotonic() - self._asked_at < self._interval and self._asked_for >= self._runs.keys():
                return
            runs = sorted(self._runs)
            self._states, self._going = await asyncio.to_thread(_fetch, self._dag_id, runs)
            self._asked_for = frozenset(runs)
            self._asked_at = time.monotonic()

    def of_run(self, run_id: str) -> Mapping[str, str | None]:
        """Return task id -> state of one run; nothing if there is no such run."""
        return {task_id: state and str(state) for task_id, state in self._states.get(run_id, {}).items()}

    def is_going(self, run_id: str) -> bool:
        """Return whether a run is there and has not ended."""
        return run_id in self._going


def _fetch(dag_id: str, run_ids: list[str]) -> tuple[Mapping[str, Mapping[str, Any]], frozenset[str]]:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    going_states = ["queued", "running"]
    states: dict[str, Mapping[str, Any]] = {}
    going: set[str] = set()
    for start in range(0, len(run_ids), _RUNS_A_QUESTION):
        some = run_ids[start : start + _RUNS_A_QUESTION]
        count = RuntimeTaskInstance.get_dr_count(dag_id=dag_id, run_ids=some, states=going_states)
        if count == len(some):
            going.update(some)
        else:
            going.update(
                run_id
                for run_id in some
                if RuntimeTaskInstance.get_dr_count(dag_id=dag_id, run_ids=[run_id], states=going_states)
            )
        states |= RuntimeTaskInstance.get_task_states(dag_id=dag_id, run_ids=some)
    return states, frozenset(going)
