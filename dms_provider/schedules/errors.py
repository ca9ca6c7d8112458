"""What is wrong with a schedule, said to its author."""

from __future__ import annotations


class ScheduleError(ValueError):
    """A schedule that cannot be, or that could never run.

    :param message: what is wrong, with the value and what is allowed
    :param field: the part of the schedule that is wrong: ``timezone``, ``effective``, ``start_late``, or an
        attribute of the rule such as ``every``, ``days`` or ``cron``
    """

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    def __reduce__(self) -> tuple[type[ScheduleError], tuple[str, str]]:
        return type(self), (self.message, self.field)
