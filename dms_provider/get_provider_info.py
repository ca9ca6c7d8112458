"""What Airflow asks a provider about itself."""

from __future__ import annotations

from typing import Any

from dms_provider.connection_forms import connection_types

_INTEGRATION = "Alibaba Cloud DMS"


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, valid against Airflow's ``provider_info.schema.json``.

    The plugin is not in it but an entry point ``airflow.plugins``: Airflow loads a provider's plugins only
    where ``[core] lazy_discover_providers`` is off, which it is not by default.
    """
    own_types = connection_types()
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
        "connection-types": own_types,
        "hooks": [
            {
                "integration-name": _INTEGRATION,
                "python-modules": sorted(
                    {str(own["hook-class-name"]).rpartition(".")[0] for own in own_types}
                ),
            }
        ],
        "operators": [
            {
                "integration-name": _INTEGRATION,
                "python-modules": [
                    "dms_provider.operators.single_instance_sql",
                    "dms_provider.operators.unload",
                    "dms_provider.operators.sql_assignment",
                    "dms_provider.operators.conditional_branch",
                    "dms_provider.operators.ecs_remote_command",
                    "dms_provider.operators.audit",
                    "dms_provider.operators.helpers",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": _INTEGRATION,
                "python-modules": [
                    "dms_provider.sensors.table_time_check",
                    "dms_provider.sensors.dependency_check",
                ],
            }
        ],
        "triggers": [
            {
                "integration-name": _INTEGRATION,
                "python-modules": [
                    "dms_provider.triggers.earlier_run",
                    "dms_provider.triggers.ecs_remote_command",
                    "dms_provider.triggers.table_time_check",
                    "dms_provider.triggers.dependency_check",
                    "dms_provider.triggers.waiting",
                ],
            }
        ],
        "extra-links": ["dms_provider.operators.links.AuditReportLink"],
        "bundles": [
            {
                "integration-name": _INTEGRATION,
                "python-modules": ["dag_factory.discovery.bundle"],
            }
        ],
        "config": {
            "dms": {
                "description": "Flows of DMS task orchestration.",
                "options": {
                    "trigger_form": {
                        "description": "Give each flow a typed trigger form: business time, dry run, one "
                        "node, from a node on. It makes parsing and storing of all flows several times as "
                        "slow, so it is off by default; the same can be said in the run's conf.",
                        "version_added": None,
                        "type": "boolean",
                        "example": "True",
                        "default": "False",
                    },
                    "report_url": {
                        "description": "Address at which people can read the reports of audits; the button "
                        "of a task leads to FLOW/NODE/FILE below it. Without it, Airflow's UI shows no "
                        "button: it leads to addresses on the web only.",
                        "version_added": None,
                        "type": "string",
                        "example": "https://reports.example.com/dms",
                        "default": None,
                    },
                },
            },
        },
        "cli": ["dag_factory.cli.airflow.get_dms_cli_commands"],
    }
