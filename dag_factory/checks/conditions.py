"""The conditions of conditional branches.

Source: flow-spec, *conditional_branch*.
"""

from __future__ import annotations

from collections.abc import Iterator

from dag_factory.checks.texts import NodeText
from dag_factory.checks.variables import VariableCheck
from dag_factory.diagnostics import Finding
from dms_provider.conditions import ConditionError, parse_condition


def check_condition(text: NodeText, has_parents: bool, variables: VariableCheck) -> Iterator[Finding]:
    """Yield what is wrong with one condition.

    :param has_parents: whether a node is directly upstream
    :param variables: the check of the references in it
    """
    if not has_parents:
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
    yield from variables.check(text)
