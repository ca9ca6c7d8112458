"""One field of a cron text: which numbers it names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from dms_provider.schedules.errors import ScheduleError

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), start=1
    )
}
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_ELEMENT = re.compile(r"(?P<start>\*|\w+)(?:-(?P<end>\w+))?(?:/(?P<step>\w+))?", re.ASCII)


class Field(NamedTuple):
    """A field of a cron text.

    :param name: as people call it, used in messages
    :param low: smallest number
    :param high: largest number
    :param names: words that stand for numbers, in capitals
    :param open_end: the number that ``*`` and an open step such as ``3/2`` go up to; by default ``high``
    :param wraps: whether a range may run past the end and on from the start, such as ``FRI-MON``
    """

    name: str
    low: int
    high: int
    names: Mapping[str, int]
    open_end: int | None = None
    wraps: bool = False

    def numbers(self, text: str) -> tuple[int, ...]:
        """Return the numbers that a text of this field names, in order.

        :param text: ``*``, numbers, names, ranges, steps, and lists of them, in capitals
        :raises ScheduleError: if the text names something else
        """
        if text.isascii() and text.isdigit() and self.low <= int(text) <= self.high:
            return (int(text),)
        found: set[int] = set()
        for element in text.split(","):
            found.update(self._element(element))
        return tuple(sorted(found))

    def _element(self, element: str) -> range | tuple[int, ...]:
        match = _ELEMENT.fullmatch(element)
        if match is None:
            raise self.error(f"{element!r} cannot be read", element)
        start, end, step = match.group("start", "end", "step")
        if start == "*":
            if end is not None:
                raise self.error(f"{element!r} cannot be read", element)
            first, last = self.low, self._open_end
        else:
            first = self.number(start)
            if end is not None:
                last = self.number(end)
            else:
                last = first if step is None else max(first, self._open_end)
        width = 1
        if step is not None:
            if not step.isdigit() or not 1 <= int(step) <= max(self.high - self.low, 1):
                raise ScheduleError(
                    f"{self.name}: the step of {element!r} is not a number from 1 to {self.high - self.low}",
                    "cron",
                )
            width = int(step)
        if first <= last:
            return range(first, last + 1, width)
        if not self.wraps:
            raise ScheduleError(
                f"{self.name}: {element!r} runs backwards; write the smaller one first, or two ranges", "cron"
            )
        size = self.high - self.low + 1
        return tuple((n - self.low) % size + self.low for n in range(first, last + size + 1, width))

    @property
    def _open_end(self) -> int:
        return self.high if self.open_end is None else self.open_end

    def number(self, text: str) -> int:
        """Return one number, written in digits or as a name.

        :raises ScheduleError: if it is neither, or out of range
        """
        if text.isdigit():
            number = int(text) if len(text) <= 6 else self.high + 1
            if self.low <= number <= self.high:
                return number
        elif text in self.names:
            return self.names[text]
        raise self.error(f"{text} is not allowed" if text else "a value is missing", text)

    def error(self, problem: str, text: str) -> ScheduleError:
        """Return an error that says what the field allows."""
        allowed = f"{self.low} to {self.high}"
        if self.names:
            words = list(self.names)
            allowed += f", or {words[0]} to {words[-1]}"
        return ScheduleError(f"{self.name}: {problem}; allowed are {allowed}", "cron")


SECOND = Field("second", 0, 59, {}, wraps=True)
MINUTE = Field("minute", 0, 59, {})
HOUR = Field("hour", 0, 23, {})
DAY_OF_MONTH = Field("day of month", 1, 31, {})
MONTH = Field("month", 1, 12, _MONTHS)
UNIX_WEEKDAY = Field("day of week", 0, 7, {name: number for number, name in enumerate(_WEEKDAYS)}, open_end=6)
QUARTZ_MINUTE = Field("minute", 0, 59, {}, wraps=True)
QUARTZ_HOUR = Field("hour", 0, 23, {}, wraps=True)
QUARTZ_DAY_OF_MONTH = Field("day of month", 1, 31, {}, wraps=True)
QUARTZ_MONTH = Field("month", 1, 12, _MONTHS, wraps=True)
QUARTZ_WEEKDAY = Field(
    "day of week", 1, 7, {name: number for number, name in enumerate(_WEEKDAYS, start=1)}, wraps=True
)
YEAR = Field("year", 1970, 2099, {})
