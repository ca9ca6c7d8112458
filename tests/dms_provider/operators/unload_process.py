"""A process of its own for an unload, as Airflow gives it one, and a task state store that outlives it."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk.execution_time.task_runner import _run_execute_callable

from dms_provider.operators.base import SpecText
from dms_provider.operators.unload import UnloadOperator
from dms_provider.unload import object as unloaded
from tests.dms_provider.operators.running import context_of


@dataclass(frozen=True)
class StateStore:
    """Airflow's store of what a task keeps from one try to the next, in a file."""

    file: Path

    def get(self, key: str) -> Any:
        return self._read().get(key)

    def set(self, key: str, value: Any) -> None:
        self.file.write_text(json.dumps({**self._read(), key: value}))

    def delete(self, key: str) -> None:
        self.file.write_text(json.dumps({name: kept for name, kept in self._read().items() if name != key}))

    def _read(self) -> dict[str, Any]:
        return json.loads(self.file.read_text()) if self.file.exists() else {}


def unload(sql: str, connections: dict[str, str], timeout: float | None, folder: Path) -> None:
    """Unload a query to ``oss://archive/bucket/report.csv``, and write how that ended to ``folder/answer``.

    :param connections: environment that defines them
    :param timeout: seconds that the node may take
    """
    os.environ.update(connections)
    unloaded.PART_BYTES = 1 << 17
    operator = UnloadOperator(
        task_id="unload",
        conn_id="source",
        sql=SpecText(sql),
        to=SpecText("oss://archive/bucket/report.csv"),
        execution_timeout=None if timeout is None else timedelta(seconds=timeout),
    )
    context = {**context_of(operator), "task_state_store": StateStore(folder / "state")}
    signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    answer = "success"
    try:
        _run_execute_callable(context, operator.execute, operator)  # type: ignore[arg-type]  # enough of one
    except BaseException as error:
        answer = f"{type(error).__name__}: {error}"
    (folder / "answer").write_text(answer, encoding="utf-8")
    sys.exit(answer != "success")
