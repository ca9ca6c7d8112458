"""The node types. Each has a module of its own, which is imported when a flow first uses the type."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module

from dag_factory.spec.nodes.common import Node, TextKind

NODE_TYPES: dict[str, str] = {
    "single_instance_sql": "SingleInstanceSQL",
    "sql_assignment": "SQLAssignment",
    "conditional_branch": "ConditionalBranch",
    "ecs_remote_command": "ECSRemoteCommand",
    "table_time_check": "TableTimeCheck",
    "audit": "Audit",
    "dependency_check": "DependencyCheck",
}
"""Node type -> name of its model, in the module of that type."""


@lru_cache(maxsize=None)
def node_model(node_type: str) -> type[Node]:
    """Return the model of a node type.

    :raises KeyError: there is no such type
    """
    name = NODE_TYPES[node_type]
    model: type[Node] = getattr(import_module(f"dag_factory.spec.nodes.{node_type}"), name)
    return model


__all__ = ["NODE_TYPES", "Node", "TextKind", "node_model"]
