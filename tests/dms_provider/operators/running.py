"""Runs an operator as a task would, without a supervisor: a context, and XComs in a dictionary."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.bases.operator import ExecutorSafeguard

from dms_provider.variables.scope import OUTPUTS_XCOM_KEY
from dms_provider.variables.values import Data


@dataclass
class DagRun:
    dag_id: str = "flow"
    run_id: str = "manual__1"
    run_after: datetime = datetime(2023, 8, 4, 3, 0, tzinfo=timezone.utc)
    conf: dict[str, Any] = field(default_factory=dict)
    triggering_user_name: str | None = None


@dataclass
class TaskInstance:
    """What operators use of Airflow's own."""

    task_id: str
    xcoms: dict[str, dict[str, Any]]
    states: dict[str, str | None] = field(default_factory=dict)
    pushed: dict[str, Any] = field(default_factory=dict)
    map_index: int = -1
    try_number: int = 1
    id: str = "0199-1"
    earlier: dict[str, list[Any]] = field(default_factory=dict)
    """What runs before this one have left, by key."""

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value

    def xcom_pull(
        self, task_ids: str, key: str, *, include_prior_dates: bool = False, map_indexes: Any = -1
    ) -> Any:
        if include_prior_dates:
            found = self.earlier.get(key, [])
            return found if len(found) > 1 else next(iter(found), None)
        return self.xcoms.get(task_ids, {}).get(key)

    def get_task_states(
        self, *, dag_id: str, run_ids: list[str], task_ids: list[str], map_index: int | None = None
    ) -> dict[str, Any]:
        return {run_ids[0]: {task_id: self.states[task_id] for task_id in task_ids if task_id in self.states}}


@dataclass
class Log:
    """Keeps the lines that an operator logs."""

    lines: list[str] = field(default_factory=list)

    def info(self, text: str, *arguments: Any) -> None:
        self.lines.append(text % arguments)

    def warning(self, text: str, *arguments: Any, exc_info: bool = False) -> None:
        self.lines.append("WARNING " + text % arguments)

    def error(self, text: str, *arguments: Any) -> None:
        self.lines.append("ERROR " + text % arguments)

    def exception(self, text: str, *arguments: Any) -> None:
        self.lines.append("ERROR " + text % arguments)


@dataclass
class Outcome:
    """What a task left behind."""

    result: Any
    ti: TaskInstance
    rendered: dict[str, Any]
    log: list[str]

    @property
    def outputs(self) -> dict[str, Data]:
        return {name: Data.from_xcom(stored) for name, stored in self.ti.pushed[OUTPUTS_XCOM_KEY].items()}


def context_of(
    operator: BaseOperator,
    given: dict[str, dict[str, Data]] | None = None,
    states: dict[str, str | None] | None = None,
) -> dict[str, Any]:
    """Return the context of a task.

    :param given: outputs of upstream tasks
    :param states: of upstream tasks
    """
    xcoms = {
        task_id: {OUTPUTS_XCOM_KEY: {name: data.to_xcom() for name, data in outputs.items()}}
        for task_id, outputs in (given or {}).items()
    }
    ti = TaskInstance(operator.task_id, xcoms, states or {})
    return {"dag_run": DagRun(), "ti": ti, "task": operator, "ds": "2023-08-04"}


def run(
    operator: BaseOperator,
    given: dict[str, dict[str, Data]] | None = None,
    states: dict[str, str | None] | None = None,
) -> Outcome:
    """Render and execute an operator."""
    context = context_of(operator, given, states)
    log = Log()
    operator._cached_logger = log  # type: ignore[assignment]  # where Airflow keeps the logger of an object
    operator.render_template_fields(context)  # type: ignore[arg-type]  # as much of a context as is used
    rendered = {name: getattr(operator, name) for name in operator.template_fields}
    tracked = ExecutorSafeguard.tracker.set(operator)
    try:
        result = operator.execute(context)  # type: ignore[arg-type]
    finally:
        ExecutorSafeguard.tracker.reset(tracked)
    return Outcome(result, context["ti"], rendered, log.lines)
