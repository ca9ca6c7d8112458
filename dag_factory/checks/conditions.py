"""The conditions of conditional branches.

Source: flow-spec, *conditional_branch*.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dag_factory.checks.texts import NodeText
from dag_factory.checks.variables import VariableCheck
from dag_factory.diagnostics import Finding
from dms_provider.conditions import ConditionError, parse_condition

if TYPE_CHECKING:
    from dag_factory.spec.nodes import Node


def check_condition(text: NodeText, node: Node, variables: VariableCheck) -> Iterator[Finding]:
    """Yield what is wrong with one condition.

    :param node: the node that decides
    :param variables: the check of the references in it
    """
    if not node.after:
        yield Finding(
            ("nodes", text.node_id),
            "wrong-condition",
            "a conditional_branch needs a node upstream, or it has nothing to decide on: add 'after'",
        )
    try:
        parse_condition(text.text)
    except ConditionError as error:
        yield Finding(
            text.path, "wrong-condition", error.message, offset=error.offset, suggestion=error.suggestion
        )
        return
    if "${" in text.text:
        yield from variables.check(text)
