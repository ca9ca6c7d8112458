"""The language: what a flow spec can say, as models.

Imports no Airflow. The models of node types are imported when a flow uses them: see :mod:`dag_factory.spec.nodes`.
"""

from __future__ import annotations

from typing import Any

from dag_factory.spec.flow import Flow
from dag_factory.spec.nodes import NODE_TYPES, Node, node_model
from dag_factory.spec.parsing import Parsed, parse_flow, parse_partly


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a spec, draft 2020-12, for editors."""
    from dag_factory.spec.editor_schema import editor_schema

    return editor_schema()


__all__ = ["NODE_TYPES", "Flow", "Node", "Parsed", "json_schema", "node_model", "parse_flow", "parse_partly"]
