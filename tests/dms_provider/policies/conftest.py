"""An Airflow that answers as each test says."""

from __future__ import annotations

import pytest

from tests.dms_provider.policies.supervisor import THIS_RUN, Supervisor


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """Airflow, as far as a task can see it; the run is going."""
    from airflow.sdk.execution_time import task_runner

    answers = Supervisor(states={THIS_RUN: {}}, going={THIS_RUN})
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", answers, raising=False)
    return answers
