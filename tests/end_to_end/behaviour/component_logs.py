"""What Airflow's components have logged, kept for scenarios that did not end as expected."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.end_to_end.airflow_instance import AirflowInstance
from tests.end_to_end.behaviour.scenario import Seen

_PREFIX = "component_"
_MOST_LINES = 60
_LINE = 400


def keep_component_logs(airflow: AirflowInstance, folder: Path) -> None:
    """Copy the logs of the components, and of the database server, into a folder."""
    for path in (*airflow.logs.glob("*.log"), airflow.server.log):
        shutil.copy(path, folder / f"{_PREFIX}{path.name}")


def logged_of(seen: Seen) -> list[str]:
    """Return what the components have logged of a scenario's runs: its last lines."""
    if seen.logs is None:
        return []
    run_ids = [run.run_id for run in seen.runs.values()]
    lines = [
        line
        for path in sorted(seen.logs.parent.glob(f"{_PREFIX}*.log"))
        for line in _lines(path)
        if "deadlock detected" in line
        or (seen.scenario.name in line and any(run_id in line for run_id in run_ids))
    ]
    return lines[-_MOST_LINES:]


def _lines(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        yield f"{path.stem.removeprefix(_PREFIX)}: {line[:_LINE]}"
