"""A ``table_time_check`` waits for a row, without a worker.

Source: flow-spec, *table_time_check*.
"""

from __future__ import annotations

from dms_provider.sensors.table_look import TableLook
from dms_provider.triggers.waiting import WaitingTrigger


class TableTimeTrigger(WaitingTrigger):
    """Look into a table again and again, until it has a row; each time in a session of its own."""

    look_type = TableLook
