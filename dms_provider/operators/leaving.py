"""The last thing that the process of a task does: what it began there goes on only if somebody waits for it.

A task that was marked or cleared cannot be deferred any more; and a trigger that no triggerer had when its
task was marked is never told. Airflow then ends the task's process without a word to the operator.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from airflow.sdk import Context

_MAY_BE_DEFERRED: Final = frozenset({"deferred", "running"})
"""A task that still runs is one whose deferral found no API server: its supervisor sends it once more."""
TAKEN_UP_SECONDS = 3.0
"""So soon has a triggerer that runs taken a trigger up; less than what a trigger waits before it fires."""
_INTERVAL = 0.5

_log = logging.getLogger(__name__)
_duty: list[Callable[[], None]] = []
"""One at most: a process is of one task."""


def stop_unless_deferred(context: Context, stop: Callable[[], str | None]) -> None:
    """Have this process stop, before it ends, what nobody will wait for in the triggerer.

    :param context: of the task, which is about to defer itself
    :param stop: stops it, and returns why it may go on nevertheless
    """
    ti: Any = context["ti"]
    dag_id, run_id, task_id = context["dag_run"].dag_id, context["dag_run"].run_id, ti.task_id

    def state() -> str | None:
        states = ti.get_task_states(
            dag_id=dag_id, run_ids=[run_id], task_ids=[task_id], map_index=ti.map_index
        )
        found = next(iter(states.get(run_id, {}).values()), None)
        return None if found is None else str(found)

    def stop_if_alone() -> None:
        deadline = time.monotonic() + TAKEN_UP_SECONDS
        while (found := state()) in _MAY_BE_DEFERRED:
            if time.monotonic() > deadline:
                return
            time.sleep(_INTERVAL)
        _log.warning("The task is %s, and not deferred: stopping what it began", found or "cleared")
        if (problem := stop()) is not None:
            _log.error("What it began may go on: %s", problem)

    _duty[:] = [stop_if_alone]


@hookimpl
def before_stopping(component: object) -> None:
    """Do what is left to do. Airflow calls this in processes of its own before they end."""
    if not _duty:
        return
    try:
        _duty.pop()()
    except Exception:
        _log.exception("It is not known whether somebody waits for what this task began")
