"""Flow specs in YAML become Airflow DAGs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dag_factory.discovery.bundle import FlowBundle
    from dag_factory.discovery.loader import load_flows

__all__ = ["FlowBundle", "load_flows"]

_HOMES = {"FlowBundle": "dag_factory.discovery.bundle", "load_flows": "dag_factory.discovery.loader"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
