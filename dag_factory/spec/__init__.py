"""The language: what a flow spec can say, as models.

Imports no Airflow. Models of node types are imported when a flow uses them (:mod:`dag_factory.spec.nodes`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dag_factory.spec.flow import Flow
from dag_factory.spec.nodes import NODE_TYPES, Node, node_model
from dag_factory.spec.parsing import parse_flow

if TYPE_CHECKING:
    from dag_factory.spec.partly import Parsed


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a spec, draft 2020-12, for editors."""
    from dag_factory.spec.editor_schema import editor_schema

    return editor_schema()


def parse_partly(values: dict[str, Any]) -> Parsed:
    """Return what can be read of a spec with mistakes, and its mistakes.

    :param values: of a :class:`dag_factory.source.Document`
    """
    from dag_factory.spec.partly import parse_partly as parse

    return parse(values)


__all__ = ["NODE_TYPES", "Flow", "Node", "json_schema", "node_model", "parse_flow", "parse_partly"]
