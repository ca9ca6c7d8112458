"""Between the wall clock of a zone and instants.

At a clock change each wall-clock time happens once (flow-spec, *schedule*): a time that comes twice counts at
its first coming, and a time that does not exist counts at the moment the clock has moved on. So a later time
never has an earlier instant, which is what makes a search in either direction possible.
"""

from __future__ import annotations

from datetime import MINYEAR, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dms_provider.schedules.errors import ScheduleError

_SECOND = timedelta(seconds=1)
_RESOLUTION = datetime.resolution
_FIRST_MOMENT = datetime.min.replace(tzinfo=timezone.utc)
_LAST_MOMENT = datetime.max.replace(tzinfo=timezone.utc)


def zone(name: str) -> ZoneInfo:
    """Return the time zone of that name.

    :param name: IANA name, such as ``Asia/Shanghai``
    :raises ScheduleError: if there is no such zone
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        raise ScheduleError(
            f"there is no time zone {name!r}; name one of the IANA database, such as Asia/Shanghai",
            "timezone",
        ) from None


def utc(moment: datetime) -> datetime:
    """Return a moment in UTC, where a second later is a second later whatever clocks do.

    :param moment: aware
    :return: the same moment; where the calendar ends, the first or last one there is
    :raises ValueError: if it has no time zone
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError:
        return _LAST_MOMENT if moment.year > MINYEAR else _FIRST_MOMENT


def instant(wall: datetime, tz: ZoneInfo) -> datetime:
    """Return the moment at which the clocks of a zone first stand at a time, or have moved past it.

    :param wall: naive time on the wall clock
    :return: aware, in the zone
    """
    early = wall.replace(tzinfo=tz, fold=0)
    before, after = _offset(early), _offset(early.replace(fold=1))
    if before >= after:
        return early
    moved_on = _change(
        (wall - after).replace(tzinfo=timezone.utc), (wall - before).replace(tzinfo=timezone.utc), tz
    )
    return moved_on.astimezone(tz)


def first_wall(moment: datetime, tz: ZoneInfo) -> datetime:
    """Return the earliest wall-clock time whose instant is not before a moment.

    :param moment: in UTC
    :return: naive; ``datetime.max`` or ``datetime.min`` where the calendar ends
    """
    return wall_after(moment - _RESOLUTION, tz) if moment > _FIRST_MOMENT else datetime.min


def wall_after(moment: datetime, tz: ZoneInfo) -> datetime:
    """Return the earliest wall-clock time whose instant is behind a moment.

    :param moment: in UTC
    :return: naive; ``datetime.max`` or ``datetime.min`` where the calendar ends
    """
    try:
        local = moment.astimezone(tz)
    except OverflowError:
        return _end_of_calendar(moment)
    if local.fold:
        return _end_of_second_pass(local, tz)
    wall = local.replace(tzinfo=None)
    return wall if wall == datetime.max else wall + _RESOLUTION


def last_wall(moment: datetime, tz: ZoneInfo) -> datetime:
    """Return the latest wall-clock time whose instant is not behind a moment.

    :param moment: in UTC
    :return: naive; ``datetime.max`` or ``datetime.min`` where the calendar ends
    """
    try:
        local = moment.astimezone(tz)
    except OverflowError:
        return _end_of_calendar(moment)
    if local.fold:
        return _end_of_second_pass(local, tz) - _RESOLUTION
    return local.replace(tzinfo=None)


def _end_of_calendar(moment: datetime) -> datetime:
    return datetime.max if moment.year > MINYEAR else datetime.min


def _offset(local: datetime) -> timedelta:
    offset = local.utcoffset()
    assert offset is not None
    return offset


def _end_of_second_pass(local: datetime, tz: ZoneInfo) -> datetime:
    """Return the wall-clock time from which on times come once again.

    :param local: aware, in its second pass (``fold`` is 1)
    """
    first_pass = local.replace(fold=0)
    before = _offset(first_pass)
    changed = _change(first_pass.astimezone(timezone.utc), local.astimezone(timezone.utc), tz)
    return changed.replace(tzinfo=None) + before


def _change(low: datetime, high: datetime, tz: ZoneInfo) -> datetime:
    """Return the first second in ``(low, high]`` without the offset of ``low``; all in UTC."""
    low, high = low.replace(microsecond=0), high.replace(microsecond=0)
    before = _offset(low.astimezone(tz))
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        if _offset(middle.astimezone(tz)) == before:
            low = middle
        else:
            high = middle
    return high
