"""A ``dependency_check`` waits for runs of another flow, without a worker.

Source: flow-spec, *dependency_check*.
"""

from __future__ import annotations

from dms_provider.sensors.dependency_look import DependencyLook
from dms_provider.triggers.waiting import WaitingTrigger


class DependencyTrigger(WaitingTrigger):
    """Ask again and again how the runs of a flow stand; once for all nodes that wait for the same flow."""

    look_type = DependencyLook
