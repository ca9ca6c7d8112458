"""What can be said of a condition before its run.

Source: flow-spec, *conditional_branch*; policies, *Kinds of run* (dry run).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dms_provider.conditions.condition import Condition
from dms_provider.variables.references import parse_references, splice
from dms_provider.variables.values import AuthorText, Value

AFTER_SUCCESS: Mapping[str, bool] = MappingProxyType(
    {
        "all_success": True,
        "one_success": True,
        "all_failed": False,
        "one_failed": False,
        "all_done": True,
    }
)
"""Whether each state is the case once all direct upstream nodes have succeeded."""


def fill_condition(condition: Condition, values: Mapping[str, Value]) -> str:
    """Return a condition with the values in it that are known; other references stay."""
    spliced = splice(parse_references(condition.text, foreign=True), values, keep_unknown=True)
    return "".join(part if isinstance(part, str) else part.data.text for part in spliced)


def known_result(condition: Condition, values: Mapping[str, Value]) -> bool | None:
    """Return whether a condition is true once all direct upstream nodes have succeeded.

    :param values: those that are known
    :return: ``None`` where that is not known: a value is missing, or is a secret
    :raises ConditionError: the values cannot be compared
    """
    of_condition = [values.get(name) for name in condition.names]
    if any(value is None or (isinstance(value, AuthorText) and value.secret) for value in of_condition):
        return None
    return condition.evaluate(values, AFTER_SUCCESS)
