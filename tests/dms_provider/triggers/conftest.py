"""The databases that tables are looked into on; triggers that may fire at once."""

from __future__ import annotations

import pytest

from dms_provider.triggers import deferral
from tests.dms_provider.databases import database

__all__ = ["database"]


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process of a task has deferred to these triggers, so there is none to wait for."""
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "0")
    monkeypatch.setattr(deferral, "_MARGIN_SECONDS", 0.0)
