"""The policies of one flow, as plain values.

Source: DMS reference, sections 4.1 and 4.2; flow-spec, *Top level*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ErrorHandling = Literal["complete_running_tasks", "immediately_stop_all_tasks", "complete_unrelated_tasks"]
Concurrency = Literal["skip", "ignore", "parallel_mode_1", "parallel_mode_2"]
Mode2Scope = Literal["all", "direct"]

HELPER_PREFIX = "dms__"
"""Ids of tasks that are no nodes of the flow begin with this."""
HOLD_TASK_ID = "dms__hold"
OUTCOME_TASK_ID = "dms__outcome"
END_GROUP_ID = "dms__end"
"""Task group of the two."""
BEGUN_XCOM_KEY = "dms_begun"
"""XCom key under which a node that goes on in the triggerer says that its work has begun."""


def is_node(task_id: str) -> bool:
    """Return whether a task is a node of the flow, and no helper."""
    return not task_id.startswith(HELPER_PREFIX)


@dataclass(frozen=True)
class FlowPolicies:
    """What a flow says about its runs.

    :param error_handling: what happens to the other nodes when one has failed
    :param concurrency: what a run does that starts beside another
    :param mode_2_scope: the nodes downstream that ``parallel_mode_2`` waits for
    :param timezone: IANA name of the zone of the flow's times
    :param pools: slots of each pool that is made if it is missing
    """

    error_handling: ErrorHandling = "complete_running_tasks"
    concurrency: Concurrency = "skip"
    mode_2_scope: Mode2Scope = "all"
    timezone: str = "Asia/Shanghai"
    pools: Mapping[str, int] = field(default_factory=dict)

    @property
    def holds_back(self) -> bool:
        """Whether nothing begins any more once a node has failed."""
        return self.error_handling != "complete_unrelated_tasks"

    @property
    def stops(self) -> bool:
        """Whether what is going ends once a node has failed."""
        return self.error_handling == "immediately_stop_all_tasks"

    def holds_back_node(self, *, answers_failure: bool) -> bool:
        """Return whether a node does not begin once another has failed.

        :param answers_failure: the node is a condition that names a state, or stands below one
        """
        return self.holds_back and (self.stops or not answers_failure)

    def to_json(self) -> dict[str, Any]:
        """Return the policies as plain values."""
        return {
            "error_handling": self.error_handling,
            "concurrency": self.concurrency,
            "mode_2_scope": self.mode_2_scope,
            "timezone": self.timezone,
            "pools": dict(self.pools),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FlowPolicies:
        """Return the policies that :meth:`to_json` made these values of."""
        return cls(**values)
