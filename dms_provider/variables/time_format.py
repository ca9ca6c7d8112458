"""How a column holds time, and a point in time as such a column would hold it.

Source: flow-spec, *table_time_check*, ``since`` and ``time_format``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal
from zoneinfo import ZoneInfo

from dms_provider.messages import shortened
from dms_provider.variables.output_types import MAX_DIGITS, is_number
from dms_provider.variables.pattern import PatternError, TimePattern

Kind = Literal["own", "epoch", "epoch_ms", "pattern"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_UNITS = {"epoch": timedelta(seconds=1), "epoch_ms": timedelta(milliseconds=1)}
_TIME = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[ T](?P<minute>[0-9]{2}:[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,6}))?)?"
    r"(?P<zone>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_LETTERS = re.compile(r"'[^']*'|(?P<letter>[A-Za-z])(?P=letter)*")
_SORTED_LIKE_TIME = re.compile(r"(?:yyyy|yy)(?:MM(?:dd(?:HH(?:mm(?:ss)?)?)?)?|DDD(?:HH(?:mm(?:ss)?)?)?)?")
_SHOWN_CHARACTERS = 60


class TimeFormatError(ValueError):
    """A column cannot hold time that way, or ``since`` is no point in time. The message says what to do.

    :param offset: of what is wrong, in characters from the beginning of the text
    """

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset

    def __reduce__(self) -> tuple[type, tuple[str, int]]:
        return type(self), (self.message, self.offset)


@dataclass(frozen=True, slots=True)
class PointInTime:
    """A point in time as a column holds it.

    :param text: compares with the column's values as the points in time compare
    :param is_number: the column is known to hold numbers
    :param has_zone: the text ends with the offset of its zone
    """

    text: str
    is_number: bool = False
    has_zone: bool = False


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """How a column holds time. Make one with :meth:`parse`.

    :param kind: as a type of the database, as seconds or milliseconds since 1970 in UTC, or by a pattern
    """

    kind: Kind
    _pattern: TimePattern | None = None

    @classmethod
    def parse(cls, text: str | None) -> TimeFormat:
        """Read ``time_format``.

        :param text: ``epoch``, ``epoch_ms``, or a pattern by which texts sort as their times do; ``None`` for
            a column with a type that the database knows how to compare with a time
        :raises TimeFormatError: it is none of these
        """
        if text is None:
            return cls("own")
        if text == "epoch":
            return cls("epoch")
        if text == "epoch_ms":
            return cls("epoch_ms")
        try:
            pattern = TimePattern.parse(text)
        except PatternError as error:
            raise TimeFormatError(error.message, error.offset) from error
        _check_order(text)
        return cls("pattern", pattern)

    def point(self, since: str, zone: str) -> PointInTime:
        """Return a point in time as the column would hold it.

        :param since: ``yyyy-MM-dd``, ``yyyy-MM-dd HH:mm`` or ``yyyy-MM-dd HH:mm:ss``, fractions of a second
            and the offset of a zone behind it if need be; or, unless the column has a pattern, a number as
            the column holds it
        :param zone: IANA name of the zone of a text without an offset, and of a column with a pattern
        :raises TimeFormatError: ``since`` is nothing of that
        """
        written = since.strip()
        if self.kind != "pattern" and is_number(written):
            return PointInTime(written, is_number=self.kind != "own")
        found = _TIME.fullmatch(written)
        moment = found and _moment(found)
        if found is None or moment is None:
            raise TimeFormatError(
                f"since is {_shortened(written)}, which is no point in time; {self._remedy}"
            )
        if self.kind == "own":
            return PointInTime(_as_databases_read_it(found), has_zone=found["zone"] is not None)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(zone))
        if self._pattern is not None:
            return PointInTime(self._pattern.format(moment.astimezone(ZoneInfo(zone))))
        units, rest = divmod(moment - _EPOCH, _UNITS[self.kind])
        if rest:
            raise TimeFormatError(
                f"since is {_shortened(written)}, but the column holds no such fractions of a second"
                f" (time_format: {self.kind}); leave them out"
            )
        return PointInTime(str(units), is_number=True)

    @property
    def _remedy(self) -> str:
        number = "" if self.kind == "pattern" else f", or a number of at most {MAX_DIGITS} digits"
        return f"write yyyy-MM-dd or yyyy-MM-dd HH:mm:ss{number}"


def _check_order(text: str) -> None:
    """Refuse a pattern by which a later time can be a smaller text, for the database compares texts."""
    if (bar := _outside_quotes(text, "|")) >= 0:
        raise TimeFormatError(
            "time_format says how the column holds time, which takes no offset; put the offset into a time"
            " variable that 'since' names",
            bar,
        )
    letters = "".join(found.group() for found in _LETTERS.finditer(text) if found["letter"])
    if not _SORTED_LIKE_TIME.fullmatch(letters):
        raise TimeFormatError(
            "texts of this pattern do not sort as their times do, so that the database cannot compare them;"
            " a pattern here begins with the year and goes on down to smaller units, each of fixed width:"
            " yyyy MM dd HH mm ss, or yyyy DDD HH mm ss"
        )


def _outside_quotes(text: str, character: str) -> int:
    quoted = False
    for offset, found in enumerate(text):
        if found == "'":
            quoted = not quoted
        elif found == character and not quoted:
            return offset
    return -1


def _moment(found: re.Match[str]) -> datetime | None:
    fraction = (found["fraction"] or "").ljust(6, "0")
    zone = found["zone"] or ""
    offset = "+00:00" if zone == "Z" else zone and f"{zone[:3]}:{zone[3:].lstrip(':') or '00'}"
    try:
        return datetime.fromisoformat(
            f"{found['day']}T{found['minute'] or '00:00'}:{found['second'] or '00'}.{fraction}{offset}"
        )
    except ValueError:
        return None


def _as_databases_read_it(found: re.Match[str]) -> str:
    text = found.group().replace("T", " ")
    return f"{text[:-1]}+00:00" if text.endswith("Z") else text


def _shortened(text: str) -> str:
    if not text:
        return "empty"
    return ascii(shortened(text, _SHOWN_CHARACTERS))
