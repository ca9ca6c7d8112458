"""One look at the runs of another flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from dms_provider.dependencies import Dependency, NotedRuns, Verdict, judge, looked_for
from dms_provider.sensors.flow_runs import FlowRuns, RunsAreNotNoted
from dms_provider.sensors.look import Log, Look, LookFailed

_LINES = 500
"""More business times than these are only counted in the log."""


class DependencyLook(Look):
    """Looks whether what a node waits for has succeeded.

    :param dependency: what the node waits for
    :param max_age: what another node of this process has just asked serves for so many seconds
    """

    def __init__(self, dependency: Dependency, *, max_age: float) -> None:
        self._dependency = dependency
        self._max_age = max_age
        self._news: list[str] = []
        self._told: tuple[str, ...] = ()
        self._missing: str | None = None

    @property
    def asked(self) -> str:
        """The flow that is waited for."""
        return f"flow {self._dependency.flow}"

    @property
    def missing(self) -> str | None:
        """The business times that are not met, and why."""
        return self._missing

    def is_there(self, timeout: timedelta | None) -> bool:
        """Ask how the runs stand.

        :raises LookFailed: Airflow gave no answer, or the node fails for what it found
        """
        from airflow.sdk.exceptions import AirflowRuntimeError

        try:
            verdict = self._judge()
        except AirflowRuntimeError as error:
            raise LookFailed(f"Airflow did not tell about {self.asked}: {error}", may_pass=True) from error
        except (RunsAreNotNoted, ValueError, OverflowError) as error:
            raise LookFailed(str(error), may_pass=False) from error
        self._missing = verdict.missing or None
        self._take_news(verdict)
        if verdict.problem is not None:
            raise LookFailed(verdict.problem, may_pass=False)
        return verdict.is_met

    def kill(self) -> None:
        """Do nothing: a question to Airflow leaves nothing that runs on."""

    def report(self, log: Log) -> None:
        """Log each business time for which something else was found than before."""
        for line in self._news:
            log.info("%s", line)
        self._news = []

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` makes it of again."""
        return {"dependency": self._dependency.to_json(), "max_age": self._max_age}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> DependencyLook:
        """Read back what :meth:`to_json` gave."""
        return cls(Dependency.from_json(stored["dependency"]), max_age=stored["max_age"])

    def _judge(self) -> Verdict:
        dependency = self._dependency
        runs = FlowRuns.of(dependency.flow)
        noted = runs.noted(self._max_age)
        times = looked_for(dependency, noted)
        run_ids = {run_id for time in times for run_id in time.runs}
        states = runs.states(self, dependency.node, run_ids, self._max_age)
        # a name that is no flow may be a mistake: only of a flow can it be said that it never ran
        never_ran = noted.exists and not noted.ran_by(
            dependency.span.last,
            dependency.timezone,
            manual=dependency.is_manual or not noted.is_scheduled,
            but=dependency.own_run,
        )
        verdict = judge(dependency, times, states, is_scheduled=noted.is_scheduled, never_ran=never_ran)
        if not noted.exists and not verdict.is_met:
            note = f"there is no flow {dependency.flow} yet"
            return Verdict(False, None, (note, *verdict.found), note)
        remarks = () if verdict.is_met else tuple(_remarks(dependency, noted))
        missing = "; ".join(filter(None, (verdict.missing, *remarks)))
        return replace(verdict, found=(*remarks, *verdict.found), missing=missing)

    def _take_news(self, verdict: Verdict) -> None:
        if verdict.found == self._told:
            return
        before = set(self._told)
        news = [line for line in verdict.found if line not in before]
        self._news += news[:_LINES]
        if len(news) > _LINES:
            self._news.append(f"and {len(news) - _LINES} more")
        self._told = verdict.found


def _remarks(dependency: Dependency, noted: NotedRuns) -> Iterator[str]:
    """Yield why runs of a flow may not come, as far as that was known when the wait began."""
    flow = dependency.flow
    if noted.is_gone:
        yield f"{flow} was gone when this was asked for: its spec was removed, or has another id now"
    elif noted.is_paused:
        yield f"{flow} was paused when this was asked for: none of its runs starts until it is unpaused"
    if dependency.own_run is None and dependency.asking in noted.waits_for:
        yield f"{flow} itself waits for {dependency.asking}: if each waits for the other's run, neither ends"
