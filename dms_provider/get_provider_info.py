"""What Airflow asks a provider about itself."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, valid against Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-dms",
        "name": "Alibaba Cloud DMS task orchestration",
        "description": "DMS task flows as Airflow DAGs: node types, policies, schedules and variables.",
    }
