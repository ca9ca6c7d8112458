"""Runs an ``ecs_remote_command`` as Airflow would, against a double of the ECS API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import TaskDeferred

from dms_provider.operators.base import SpecText
from dms_provider.operators.ecs_remote_command import ECSRemoteCommandOperator
from dms_provider.triggers.ecs_remote_command import ECSRemoteCommandTrigger
from dms_provider.variables.scope import OUTPUTS_XCOM_KEY
from dms_provider.variables.values import Data
from tests.dms_provider.operators.running import Log, context_of
from tests.doubles.ecs import CloudAssistantServer


class FileStore:
    """A task state store that outlives a process, as Airflow's does.

    :param file: that keeps it
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def get(self, key: str, default: Any = None) -> Any:
        return self._all().get(key, default)

    def set(self, key: str, value: Any) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps({**self._all(), key: value}))
        new.replace(self._file)

    def _all(self) -> dict[str, Any]:
        return json.loads(self._file.read_text()) if self._file.exists() else {}


def node(**more: Any) -> ECSRemoteCommandOperator:
    arguments = {
        "task_id": "node",
        "conn_id": "ali",
        "region": "cn-hangzhou",
        "instances": "i-1",
        "script": SpecText("echo done"),
        "poll_interval": 0.05,
        "execution_timeout": timedelta(hours=1),
        **more,
    }
    return ECSRemoteCommandOperator(**arguments)


@dataclass
class Flow:
    """One task instance with its tries.

    :param store: keeps what its tries have sent
    :param states: what Airflow tells of its task instances
    """

    store: FileStore
    log: Log = field(default_factory=Log)
    pushed: dict[str, Any] = field(default_factory=dict)
    states: dict[str, str | None] = field(default_factory=dict)

    @property
    def outputs(self) -> dict[str, Data]:
        return {name: Data.from_xcom(stored) for name, stored in self.pushed[OUTPUTS_XCOM_KEY].items()}

    def context(
        self, operator: ECSRemoteCommandOperator, number: int, given: dict[str, Data] | None = None
    ) -> dict[str, Any]:
        context = context_of(operator, {"read": given or {}})
        context["ti"].try_number = number
        context["ti"].id = f"id-of-try-{number}"
        context["ti"].pushed = self.pushed
        context["ti"].states = self.states
        context["task_state_store"] = self.store
        operator._cached_logger = self.log  # type: ignore[assignment]  # where Airflow keeps it
        operator.render_template_fields(context)  # type: ignore[arg-type]  # enough of one
        return context

    def start(
        self, operator: ECSRemoteCommandOperator, number: int = 1, **given: Data
    ) -> TaskDeferred | None:
        """Execute a node on a worker; it defers itself unless it waits there."""
        context = self.context(operator, number, given)
        tracked = ExecutorSafeguard.tracker.set(operator)
        try:
            operator.execute(context)  # type: ignore[arg-type]  # enough of one
        except TaskDeferred as deferral:
            return deferral
        finally:
            ExecutorSafeguard.tracker.reset(tracked)
        return None

    def run(self, operator: ECSRemoteCommandOperator, number: int = 1, **given: Data) -> None:
        """Execute a node on a worker, wait in a triggerer, and end it on another worker."""
        deferral = self.start(operator, number, **given)
        if deferral is None:
            return
        path, arguments = deferral.trigger.serialize()
        assert path == "dms_provider.triggers.ecs_remote_command.ECSRemoteCommandTrigger"
        event = asyncio.run(payload(ECSRemoteCommandTrigger(**json.loads(json.dumps(arguments)))))
        operator._hook = operator._stopper = None
        operator.resume(self.context(operator, number), event)  # type: ignore[arg-type]  # enough of one


async def payload(trigger: ECSRemoteCommandTrigger) -> Any:
    """Return what a trigger tells its task."""
    async for event in trigger.run():
        return event.payload
    pytest.fail("the trigger ended without an event")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudAssistantServer]:
    """The ECS API, which connection ``ali`` leads to."""
    with CloudAssistantServer() as server:
        monkeypatch.setenv("AIRFLOW_CONN_ALI", server.connection)
        yield server


@pytest.fixture
def flow(tmp_path: Path) -> Flow:
    """A flow of one node, in which nothing has run yet."""
    return Flow(FileStore(tmp_path / "store.json"))
