"""What one node waits for, in one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from dms_provider.dependencies.windows import Span, span_of

Need = Literal["latest", "all", "any"]
FirstRun = Literal["wait", "pass"]
OnFailed = Literal["wait", "fail"]

BY_HAND = frozenset({"manual", "operator_triggered"})
"""Airflow's types of runs that somebody, or another DAG, has started."""

_DRAFT = "__draft"


def window_of(window: str | None, flow: str, asking: str) -> str:
    """Return the window of a node, which has a default.

    :param window: as the node has it
    :param flow: id of the flow that is waited for
    :param asking: id of the flow that waits, or of its draft
    """
    return window or ("previous_cycle" if asking in (flow, flow + _DRAFT) else "same_day")


@dataclass(frozen=True, slots=True)
class Dependency:
    """What one node waits for, in one run.

    :param flow: id of the flow that is waited for
    :param node: of that flow; ``None`` for the whole flow
    :param window: which business times count
    :param need: which runs of the window must have succeeded
    :param first_run: what holds where that flow never ran before the end of the window
    :param on_failed: whether a failed run is waited for, as somebody may run it again
    :param timezone: IANA name of the asking flow's zone
    :param business_time: of the asking run, ISO 8601, on the wall clock of that zone, without a zone
    :param own_run: id of the asking run if it waits for its own flow
    :param is_manual: the asking run was started by hand, so runs started by hand count
    :param asking: id of the flow that waits
    """

    flow: str
    node: str | None
    window: str
    need: Need
    first_run: FirstRun
    on_failed: OnFailed
    timezone: str
    business_time: str
    own_run: str | None
    is_manual: bool
    asking: str = ""

    @property
    def span(self) -> Span:
        """The business times that count, on the wall clock of the asking flow."""
        return span_of(self.window, datetime.fromisoformat(self.business_time), own=self.own_run is not None)

    @property
    def is_of_one_time(self) -> bool:
        """Whether one business time is all that counts, so that it is needed, whatever the need."""
        return self.need == "latest" or self.window in ("same_time", "previous_cycle")

    def __str__(self) -> str:
        what = self.flow if self.node is None else f"node {self.node} of {self.flow}"
        return f"{self.need} of {what}, {self.window} of {self.business_time.replace('T', ' ')}"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values; :meth:`from_json` reads them."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Dependency:
        """Read back what :meth:`to_json` gave."""
        return cls(**stored)
