"""A scenario as the flow spec that its DAG is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import yaml

from tests.end_to_end.behaviour.ledger import CONNECTION
from tests.end_to_end.behaviour.scenario import Behaviour, Scenario

_SELF = "'${flow_id}', '${run_id}', '${node_id}'"


def flow_text(scenario: Scenario, changes: Mapping[str, Any] | None = None) -> str:
    """Return the text of a scenario's flow spec.

    :param changes: ``nodes`` that stand in place of the scenario's, and other keys of the spec
    """
    given = dict(changes or {})
    nodes: Mapping[str, Behaviour] = given.pop("nodes", scenario.nodes)
    spec: dict[str, Any] = {
        "version": 1,
        "id": scenario.name,
        "owner": "alice",
        "error_handling": scenario.error_handling,
        "concurrency": scenario.concurrency,
        **scenario.flow,
        **given,
        "nodes": {node_id: _node(scenario, node) for node_id, node in nodes.items()},
    }
    return yaml.safe_dump(spec, sort_keys=False, allow_unicode=True)


def pool_name(scenario: Scenario, pool: str) -> str:
    """Return what a pool of a scenario is called in Airflow."""
    return f"{scenario.name}_{pool}"


def _node(scenario: Scenario, node: Behaviour) -> dict[str, Any]:
    common: dict[str, Any] = {}
    if node.after:
        common["after"] = list(node.after)
    if node.retries:
        common["retry"] = {"count": node.retries, "interval": f"{math.ceil(node.retry_after)}s"}
    if node.timeout is not None:
        common["timeout"] = f"{math.ceil(node.timeout)}s"
    if node.pool is not None:
        common["pool"] = pool_name(scenario, node.pool)
    return {**_work(node), **common}


def _work(node: Behaviour) -> dict[str, Any]:
    if node.condition is not None:
        return {"type": "conditional_branch", "condition": node.condition}
    if node.deferred is not None:
        return {
            "type": "table_time_check",
            "database": CONNECTION,
            "table": "behaviour.signs",
            "time_column": "at",
            "since": "2000-01-01 00:00:00",
            "where": "flow = '${flow_id}' AND run = '${run_id}' AND node = '${node_id}'",
            "interval": "1s",
        }
    work = f"behaviour.work({_SELF})"
    if node.gives:
        columns = ", ".join(f"'{value}' AS {name}" for name, value in node.gives.items())
        return {
            "type": "sql_assignment",
            "database": CONNECTION,
            "sql": f"SELECT {columns} FROM {work} AS done",
            "outputs": {name: {"row": 0, "column": name} for name in node.gives},
        }
    used = " || ".join(["'end'", *(f"' ' || '${{{name}}}'" for name in node.uses)])
    statements = (
        f"INSERT INTO behaviour.ledger (flow, run, node, what) VALUES ({_SELF}, 'begin')",
        f"SELECT {work}",
        f"INSERT INTO behaviour.ledger (flow, run, node, what) VALUES ({_SELF}, {used})",
    )
    return {"type": "single_instance_sql", "database": CONNECTION, "sql": ";\n".join(statements)}
