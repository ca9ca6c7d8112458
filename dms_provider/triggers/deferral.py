"""How soon a trigger may fire after its task was deferred."""

from __future__ import annotations

_MARGIN_SECONDS = 5.0


def settling_seconds() -> float:
    """Return for how long a trigger must not fire yet.

    The process of a task that defers itself may end ``[workers] min_heartbeat_interval`` later than the state
    is written. If the task is queued again before the executor reports that end, the scheduler takes the
    report for that of the new process, and the task for lost.
    """
    from airflow.sdk.configuration import conf

    return float(conf.getfloat("workers", "min_heartbeat_interval", fallback=5.0)) + _MARGIN_SECONDS
