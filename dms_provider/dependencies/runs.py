"""The runs of a flow that somebody waits for, as the scheduler notes them where workers can read them.

Airflow's API for tasks gives the state of a run whose id is known, and lists no runs. So the scheduler notes
which run is about which business time. States are never noted: they are asked for, each time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from dms_provider.schedules import Schedule
from dms_provider.variables.run_times import parse_time

_PREFIX = "dms__runs__"
_KEY_LENGTH = 250
_FORMAT = 1
_MOST_RUNS = 20_000
"""More are not noted of one flow: each start of a run of it writes them all."""


def variable_key(flow: str) -> str:
    """Return the key of the Airflow Variable that holds what is noted of a flow's runs."""
    key = _PREFIX + flow
    return key if len(key) <= _KEY_LENGTH else _PREFIX + hashlib.sha256(flow.encode()).hexdigest()


class NotedRun(NamedTuple):
    """One run that has started and was not skipped.

    :param business_time: ISO 8601, in the zone of its flow
    :param is_manual: it was started by hand, and is no dry run
    :param is_part: it is of one node, or from a node on
    :param noted: when, in seconds since 1970 in UTC
    """

    business_time: str
    is_manual: bool
    is_part: bool
    noted: int

    def wall(self, timezone: str) -> datetime:
        """Return its business time on the wall clock of its flow's zone, naive."""
        return parse_time(self.business_time, timezone).replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class NotedRuns:
    """What is noted of one flow.

    :param timezone: IANA name of its zone
    :param schedule: ``None`` where it has none, so that it answers with the runs it has
    :param exists: Airflow knows a DAG of this id
    :param is_flow: it has the policies of a flow; of another DAG, business time is its run time less a day
    :param runs: run id -> run
    :param first_regular: business time of its first run, as far as known, that nobody started by hand;
        ``None`` where that is not known, or there is none
    :param first: business time of its first run of any kind, as far as known
    :param keep: for so many seconds is a run noted that nobody asks for again
    :param version: of the flow's DAG that zone and schedule are of
    :param waits_for: ids of the flows whose same cycle it waits for itself
    :param is_paused: it was, when a run that waits for it last started
    :param is_gone: as ``is_paused``: no spec or file had it any more
    """

    timezone: str
    schedule: Schedule | None = None
    exists: bool = True
    is_flow: bool = True
    runs: Mapping[str, NotedRun] = field(default_factory=dict)
    first_regular: str | None = None
    first: str | None = None
    keep: int = 0
    version: str | None = None
    waits_for: tuple[str, ...] = ()
    is_paused: bool = False
    is_gone: bool = False

    def with_runs(self, found: Mapping[str, NotedRun]) -> NotedRuns:
        """Return it with further runs, or newer notes of them."""
        return replace(self, runs={**self.runs, **found}) if found else self

    def with_started(self, run_id: str, run: NotedRun) -> NotedRuns:
        """Return it with a run that has just started, which may be about a time before the first."""
        noted = self.with_runs({run_id: run})
        return noted if run.is_part else noted.with_first(run.business_time, by_hand=run.is_manual)

    def with_first(self, moment: str, *, by_hand: bool) -> NotedRuns:
        """Return it with a run of the whole flow that may be its first.

        :param moment: the run's business time, ISO 8601
        :param by_hand: somebody started it
        """
        noted = replace(self, first=self._earlier(self.first, moment))
        return noted if by_hand else replace(noted, first_regular=self._earlier(self.first_regular, moment))

    def _earlier(self, known: str | None, moment: str) -> str:
        walls = (parse_time(text, self.timezone).replace(tzinfo=None) for text in (known or moment, moment))
        return moment if known is None or next(walls) > next(walls) else known

    def without(self, run_ids: Iterable[str]) -> NotedRuns:
        """Return it without some runs."""
        gone = set(run_ids)
        if gone.isdisjoint(self.runs):
            return self
        return replace(self, runs={run_id: run for run_id, run in self.runs.items() if run_id not in gone})

    def without_old(self, now: int) -> NotedRuns:
        """Return it without the runs that nobody can be waiting for any more."""
        noted = self.without([run_id for run_id, run in self.runs.items() if run.noted < now - self.keep])
        too_many = len(noted.runs) - _MOST_RUNS
        if too_many <= 0:
            return noted
        return noted.without(sorted(noted.runs, key=lambda run_id: noted.runs[run_id].noted)[:too_many])

    @property
    def is_scheduled(self) -> bool:
        """Whether runs of it start by themselves."""
        return self.schedule is not None and self.schedule.enabled

    def ran_by(self, moment: datetime, timezone: str, *, manual: bool, but: str | None) -> bool:
        """Return whether a run is about a business time up to some moment.

        :param moment: naive, on the wall clock of ``timezone``
        :param manual: runs started by hand count
        :param but: id of a run that does not count
        """
        first = self.first if manual else self.first_regular
        times = [
            run.business_time
            for run_id, run in self.runs.items()
            if run_id != but and not run.is_part and (manual or not run.is_manual)
        ]
        times += [] if first is None else [first]
        walls = (parse_time(text, self.timezone).replace(tzinfo=None) for text in times)
        return any(on_clock_of(wall, self.timezone, timezone) <= moment for wall in walls)

    def to_text(self) -> str:
        """Return the text that :meth:`from_text` reads."""
        return json.dumps(
            {
                "format": _FORMAT,
                "timezone": self.timezone,
                "schedule": None if self.schedule is None else self.schedule.to_json(),
                "exists": self.exists,
                "is_flow": self.is_flow,
                "first_regular": self.first_regular,
                "first": self.first,
                "keep": self.keep,
                "version": self.version,
                "waits_for": self.waits_for,
                "is_paused": self.is_paused,
                "is_gone": self.is_gone,
                "runs": self.runs,
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_text(cls, text: str) -> NotedRuns:
        """Read what :meth:`to_text` gave; people can change it meanwhile.

        :raises ValueError: it is something else
        """
        try:
            stored: Any = json.loads(text)
            if stored["format"] != _FORMAT:
                raise ValueError(f"format {stored['format']!r}")
            schedule = stored["schedule"]
            ZoneInfo(stored["timezone"])
            noted = cls(
                timezone=stored["timezone"],
                schedule=None if schedule is None else Schedule.from_json(schedule),
                exists=bool(stored["exists"]),
                is_flow=bool(stored["is_flow"]),
                runs={run_id: NotedRun(*values) for run_id, values in stored["runs"].items()},
                first_regular=stored["first_regular"],
                first=stored["first"],
                keep=int(stored["keep"]),
                version=stored["version"],
                waits_for=tuple(map(str, stored.get("waits_for", ()))),
                is_paused=bool(stored.get("is_paused")),
                is_gone=bool(stored.get("is_gone")),
            )
            for run in noted.runs.values():
                # quicker than :meth:`NotedRun.wall`, for the sake of the scheduler
                if datetime.fromisoformat(run.business_time).isoformat() != run.business_time:
                    raise ValueError(f"time {run.business_time!r}")
                int(run.noted)
        except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        return noted


def on_clock_of(wall: datetime, timezone: str, other: str) -> datetime:
    """Return what the wall clock of another zone shows.

    :param wall: naive
    """
    if timezone == other:
        # as it is, also where a clock change leaves it out
        return wall
    return wall.replace(tzinfo=ZoneInfo(timezone)).astimezone(ZoneInfo(other)).replace(tzinfo=None)
