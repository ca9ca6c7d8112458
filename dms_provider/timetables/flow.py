"""The timetable of a flow.

Airflow plans a DAG's next run whenever the DAG is parsed and whenever a run has been made, keeps that plan
with the DAG, and makes the run once its time has come. So a plan can be old: after an outage of scheduler and
dag-processor the first thing to happen is that the planned run is made, however late it is.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from dms_provider.schedules import Schedule
from dms_provider.timetables.frozen import why_frozen

if TYPE_CHECKING:
    from airflow.models.dag import DagModel
    from pendulum import DateTime
    from sqlalchemy.orm import Session

_UNRESTRICTED = TimeRestriction(earliest=None, latest=None, catchup=False)


class SlotMissed(Exception):
    """A planned run is not made: its slot is too long ago, a newer one has come, or the flow is frozen."""


class FlowTimetable(Timetable):
    """Makes one run for each slot of a flow's schedule (flow-spec, *schedule*).

    The slot is the run's ``run_after``, its logical date, and both ends of its data interval.

    A missed slot runs only if it is the newest one and was missed by no more than the schedule's
    ``start_late``; nothing older is caught up, so the DAG wants ``catchup=False``. Backfills make every slot
    from their first to their last moment, both inclusive, also those of a schedule that is not enabled.

    :param schedule: when the flow runs
    """

    periodic = True

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.can_be_scheduled = schedule.enabled
        self.description = schedule.describe()

    @property
    def summary(self) -> str:
        """The rule and its zone, for the list of DAGs."""
        return self.schedule.summary

    def serialize(self) -> dict[str, Any]:
        """Return the schedule as plain values; the same values for the same schedule."""
        return self.schedule.to_json()

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> FlowTimetable:
        """Return the timetable that :meth:`serialize` made these values of."""
        return cls(Schedule.from_json(data))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FlowTimetable) and self.schedule == other.schedule

    def __hash__(self) -> int:
        return hash(self.schedule)

    def infer_manual_data_interval(self, *, run_after: DateTime) -> DataInterval:
        """Return the data interval of a run that was started by hand: the moment itself."""
        return DataInterval.exact(run_after)

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """Return the next run to plan, or with ``catchup`` the next slot as a backfill walks over them.

        :param last_automated_data_interval: slot of the newest scheduled or backfilled run
        :param restriction: bounds, both inclusive
        :return: ``None`` if there is no further slot
        """
        last = last_automated_data_interval.end if last_automated_data_interval else None
        if restriction.catchup and (last is not None or restriction.earliest is not None):
            slot = self._following(last, restriction.earliest)
        else:
            slot = self._planned(last, restriction.earliest)
        if slot is None or (restriction.latest is not None and slot > restriction.latest):
            return None
        return DagRunInfo.exact(pendulum.instance(slot.astimezone(timezone.utc)))

    def next_run_info_from_dag_model(self, *, dag_model: DagModel) -> DagRunInfo | None:
        """Return the planned run that is to be made now.

        :param dag_model: Airflow's row for the DAG, with the plan
        :raises SlotMissed: in the scheduler, if the plan is too old or the flow is frozen; then the row holds
            a new plan
        """
        info = super().next_run_info_from_dag_model(dag_model=dag_model)
        now = _now()
        if info is None or info.run_after > now:
            return info
        session = _session_of(dag_model)
        if info.run_after != self._due(now):
            late = timedelta(seconds=(now - info.run_after).total_seconds())
            reason: str | None = (
                f"it was missed by {late}, start_late is {self.schedule.start_late}, and the newest slot is"
                f" {self._newest(now)}"
            )
        else:
            reason = None if session is None else why_frozen(dag_model.dag_id, info.run_after, session)
        if reason is None:
            return info
        plan = self.next_dagrun_info(
            last_automated_data_interval=DataInterval.exact(info.run_after), restriction=_UNRESTRICTED
        )
        if session is None:
            return plan
        dag_model.next_dagrun = plan and plan.logical_date
        dag_model.next_dagrun_data_interval = plan and plan.data_interval
        dag_model.next_dagrun_create_after = plan and plan.run_after
        raise SlotMissed(
            f"{dag_model.dag_id}: the slot {info.run_after} is not run; {reason}; "
            f"planned next: {plan.run_after if plan else 'none'}"
        )

    def _following(self, last: datetime | None, earliest: datetime | None) -> datetime | None:
        if last is None or (earliest is not None and earliest > last):
            assert earliest is not None
            return self.schedule.next_slot(earliest, inclusive=True)
        return self.schedule.next_slot(last)

    def _planned(self, last: datetime | None, earliest: datetime | None) -> datetime | None:
        if not self.schedule.enabled:
            return None
        now = _now()
        due = self._due(now)
        if due and (last is None or due > last) and (earliest is None or due >= earliest):
            return due
        after = now if last is None else max(now, last)
        if earliest is not None and earliest > after:
            return self.schedule.next_slot(earliest, inclusive=True)
        return self.schedule.next_slot(after)

    def _due(self, now: datetime) -> datetime | None:
        """Return the newest slot so far if it may still run, in UTC."""
        newest = self._newest(now) if self.schedule.enabled else None
        return newest if newest is not None and now - newest <= self.schedule.start_late else None

    def _newest(self, now: datetime) -> datetime | None:
        slot = self.schedule.latest_slot(now)
        return slot.astimezone(timezone.utc) if slot is not None else None


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _session_of(dag_model: DagModel) -> Session | None:
    """Return the session that keeps what is written into a row, as in the scheduler; a copy has none."""
    from sqlalchemy.orm import object_session

    return object_session(dag_model)
