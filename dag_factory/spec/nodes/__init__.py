"""The node types. Each has a module of its own, which is imported when a flow first uses the type."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any, NoReturn

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

from dag_factory.diagnostics import Path, closest
from dag_factory.spec.model import spec_error
from dag_factory.spec.nodes.common import Node, TextKind
from dag_factory.spec.scalars import found_words

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


@lru_cache(maxsize=64)
def node_model(node_type: str) -> type[Node]:
    """Return the model of a node type.

    :raises KeyError: there is no such type
    """
    name = NODE_TYPES[node_type]
    model: type[Node] = getattr(import_module(f"dag_factory.spec.nodes.{node_type}"), name)
    return model


def raise_type_mistake(given: Any) -> NoReturn:
    """Tell why a node has no model.

    :raises ValidationError: always
    """
    where: Path = ("type",)
    found = []
    if not isinstance(given, dict):
        mistake = spec_error(
            f"expected a node, a mapping with 'type', found {found_words(given)}", code="wrong-type"
        )
        where = ()
    elif "type" not in given:
        mistake = spec_error(f"key 'type' is missing; one of {', '.join(NODE_TYPES)}", code="missing-key")
        where = ()
        if meant := next((key for key in given if closest(key.lower(), ["type"])), None):
            unknown = spec_error(f"unknown key '{meant}'", code="unknown-key", suggestion="type", key=True)
            found.append(InitErrorDetails(type=unknown, loc=(meant,), input=given[meant]))
    elif not isinstance(given["type"], str):
        mistake = spec_error(f"expected a node type, found {found_words(given['type'])}", code="wrong-type")
    else:
        word = given["type"]
        mistake = spec_error(
            f"unknown node type {found_words(word)}; one of {', '.join(NODE_TYPES)}",
            code="unknown-type",
            suggestion=closest(word.lower().replace("-", "_"), NODE_TYPES),
        )
    found.append(InitErrorDetails(type=mistake, loc=where, input=given))
    raise ValidationError.from_exception_data("Node", found)


class NodeByType:
    """Annotates a node: its ``type`` says which model reads it."""

    def _validate(self, given: Any) -> Node:
        if isinstance(given, Node):
            return given
        node_type = given.get("type") if isinstance(given, dict) else None
        if not isinstance(node_type, str) or node_type not in NODE_TYPES:
            raise_type_mistake(given)
        return node_model(node_type).model_validate(given)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        choices = []
        for node_type in NODE_TYPES:
            model = node_model(node_type)
            model.model_rebuild()
            choices.append(handler(model.__pydantic_core_schema__))
        return {"oneOf": choices}


__all__ = ["NODE_TYPES", "Node", "NodeByType", "TextKind", "node_model"]
