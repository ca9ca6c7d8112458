"""A trigger does not fire before Airflow has seen the end of the process that deferred."""

from __future__ import annotations

import pytest

from dms_provider.triggers import deferral


def test_it_follows_the_interval_of_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferral, "_MARGIN_SECONDS", 5.0)
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "11")
    assert deferral.settling_seconds() == 16.0
