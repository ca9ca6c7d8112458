"""What Airflow asks a provider about itself."""

from __future__ import annotations

from typing import Any

_INTEGRATION = "Alibaba Cloud DMS"


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, valid against Airflow's ``provider_info.schema.json``.

    The plugin is not in it but an entry point ``airflow.plugins``: Airflow loads a provider's plugins only
    where ``[core] lazy_discover_providers`` is off, which it is not by default.
    """
    return {
        "package-name": "airflow-provider-dms",
        "name": "Alibaba Cloud DMS task orchestration",
        "description": "DMS task flows as Airflow DAGs: node types, policies, schedules and variables.",
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://www.alibabacloud.com/help/en/dms/",
                "tags": ["service"],
            }
        ],
        "operators": [
            {
                "integration-name": _INTEGRATION,
                "python-modules": [
                    "dms_provider.operators.single_instance_sql",
                    "dms_provider.operators.sql_assignment",
                    "dms_provider.operators.conditional_branch",
                ],
            }
        ],
        "bundles": [
            {
                "integration-name": _INTEGRATION,
                "python-modules": ["dag_factory.discovery.bundle"],
            }
        ],
        "cli": ["dag_factory.cli.airflow.get_dms_cli_commands"],
    }
