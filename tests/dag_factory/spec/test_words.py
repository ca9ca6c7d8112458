"""Words that the spec's language and an operator both list, since the language knows no Airflow."""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args

import pytest

from dag_factory.spec.nodes import audit, node_model
from dag_factory.spec.nodes.dependency_check import WINDOWS
from dms_provider.audit import rules
from dms_provider.audit.metrics import METRICS
from dms_provider.dependencies import span_of
from dms_provider.dependencies.dependency import FirstRun, Need, OnFailed
from dms_provider.scripts.fill import ScriptType
from dms_provider.sensors.table_time_check import Mode


def test_metrics() -> None:
    assert get_args(audit.Metric) == tuple(METRICS)


def test_severities() -> None:
    assert get_args(audit.Severity) == get_args(rules.Severity)


@pytest.mark.parametrize(
    ("node_type", "key", "words"),
    [
        ("dependency_check", "need", Need),
        ("dependency_check", "first_run", FirstRun),
        ("dependency_check", "on_failed", OnFailed),
        ("table_time_check", "mode", Mode),
        ("ecs_remote_command", "script_type", ScriptType),
    ],
)
def test_choices(node_type: str, key: str, words: Any) -> None:
    assert get_args(node_model(node_type).model_fields[key].annotation) == get_args(words)


@pytest.mark.parametrize("window", [*WINDOWS, "last_1_hours", "last_9999_days"])
@pytest.mark.parametrize("own", [False, True])
def test_windows(window: str, *, own: bool) -> None:
    span = span_of(window, datetime(2030, 3, 15, 14, 30), own=own)
    assert span.first is None or span.first <= span.last
