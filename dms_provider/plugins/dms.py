"""The plugin through which Airflow knows what flows need of its own components."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from dms_provider.operators import leaving
from dms_provider.policies import listener
from dms_provider.timetables.flow import FlowTimetable


class DmsPlugin(AirflowPlugin):
    """Registers the timetable of flows, what decides about their runs, and what a task does last."""

    name = "dms"
    timetables = [FlowTimetable]  # noqa: RUF012 - the base class declares it so
    listeners = [listener, leaving]  # noqa: RUF012 - the base class declares it so
