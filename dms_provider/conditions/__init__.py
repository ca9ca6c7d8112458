"""The condition language of a conditional branch: text to a checked condition, and its truth in one run."""

from dms_provider.conditions.condition import Condition, parse_condition
from dms_provider.conditions.errors import ConditionError

__all__ = ["Condition", "ConditionError", "parse_condition"]
