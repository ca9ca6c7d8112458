"""``conditional_branch``: goes on only where a condition holds.

Source: flow-spec, *Node types*; DMS reference 1.5 and 3.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field

from dag_factory.spec.nodes.common import Node, Texts
from dag_factory.spec.scalars import PositiveDuration, Something


class ConditionalBranch(Node):
    """Lets the nodes downstream run only where a condition holds."""

    TEXTS: ClassVar[Texts] = {("condition",): "condition"}

    type: Literal["conditional_branch"] = Field(description="Goes on only where a condition holds.")
    condition: Something = Field(
        description="Compares variables, or names states of the nodes just upstream.",
        examples=["${late_flights} > 100 && ${worst} >= 60"],
    )
    timeout: PositiveDuration = Field(timedelta(minutes=10), description="Limit of one try's work.")
