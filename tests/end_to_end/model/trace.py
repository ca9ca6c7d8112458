"""What was seen of the runs of a case. Times are seconds since 1970, by the clock of the database server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.end_to_end.model.rules import State

HELPER_PREFIX = "dms__"
_NOT_RUN = ("skipped", "upstream_failed", "removed")
_ENDED = {"success": State.SUCCESS, "failed": State.FAILED}


@dataclass
class NodeTrace:
    """A node in one run.

    :param state: Airflow's word for it; none at first
    :param tries: that Airflow has counted
    :param began: when each try began to do work
    :param finished: when tries came to the end of their work
    :param ended: when Airflow says that it ended
    :param seen_ended: when it was first seen to have ended
    :param pid: of the task's process
    """

    state: str | None = None
    tries: int = 0
    began: list[float] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)
    ended: float | None = None
    seen_ended: float | None = None
    pid: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended in whatever way."""
        return self.state in _ENDED or self.state in _NOT_RUN

    @property
    def has_begun(self) -> bool:
        """Whether a try of it has done anything; a condition leaves no trace but its state."""
        return bool(self.began)

    def seen_as(self) -> State | None:
        """Return what it is in the words of the model; ``None`` for a moment between two of them."""
        if self.state in _ENDED:
            return _ENDED[self.state]
        if self.state in _NOT_RUN:
            return State.NOT_RUN
        if self.state == "deferred":
            return State.WAITING
        if self.state == "up_for_retry":
            return State.BETWEEN_TRIES
        if self.state == "running":
            at_work = len(self.began) == self.tries and len(self.finished) == 0
            return State.WORKING if at_work else None
        return None if self.began else State.NOT_BEGUN


@dataclass
class RunTrace:
    """One run.

    :param run_id: Airflow's
    :param nodes: of the flow, without helpers
    :param ended: when Airflow says that it ended
    :param callbacks: ``success``, ``failure`` -> calls of the DAG's callbacks
    """

    run_id: str
    state: str = "queued"
    conf: Mapping[str, Any] = field(default_factory=dict)
    nodes: dict[str, NodeTrace] = field(default_factory=dict)
    ended: float | None = None
    callbacks: dict[str, int] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state in ("success", "failed")

    def decided(self, key: str) -> Any:
        """Return what the product says about the run in its conf."""
        said = (self.conf or {}).get("dms")
        return said.get(key) if isinstance(said, Mapping) else None
