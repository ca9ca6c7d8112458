"""Time patterns: ``FORMAT`` or ``FORMAT|OFFSETS``, for example ``yyyyMM01|-1M``.

Source: flow-spec, *Time*; DMS reference, sections 2.3 to 2.6. Weeks begin on Monday. The week of 1 January is
the first of its year, the week of a month's first day the first of that month.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple

Locale = Literal["zh", "en"]

_OFFSET_UNITS = "yMwdhm"
"""In the order in which offsets are applied."""

_OFFSET = re.compile(r"([+-])([0-9]+)([yMwdhm])")
_MAX_OFFSET_DIGITS = 8
_MAX_CHARACTERS = 1000


class PatternError(ValueError):
    """A text is no time pattern, or its offsets lead out of the years 1 to 9999.

    :param offset: of what is wrong, in characters from the beginning of the pattern
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset

    def __reduce__(self) -> tuple[type, tuple[str, int]]:
        return type(self), (self.message, self.offset)


class _Words(NamedTuple):
    era: str
    months: tuple[str, ...]
    short_months: tuple[str, ...]
    weekdays: tuple[str, ...]
    short_weekdays: tuple[str, ...]
    half_days: tuple[str, str]


_ZH_MONTHS = tuple(
    f"{number}月" for number in ("一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二")
)
_ZH_WEEKDAYS = tuple(f"星期{day}" for day in "一二三四五六日")
_EN_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_EN_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WORDS: dict[str, _Words] = {
    "zh": _Words("公元", _ZH_MONTHS, _ZH_MONTHS, _ZH_WEEKDAYS, _ZH_WEEKDAYS, ("上午", "下午")),
    "en": _Words(
        "AD",
        _EN_MONTHS,
        tuple(month[:3] for month in _EN_MONTHS),
        _EN_WEEKDAYS,
        tuple(day[:3] for day in _EN_WEEKDAYS),
        ("AM", "PM"),
    ),
}


class _Letters(NamedTuple):
    """A run of one pattern letter."""

    letter: str
    width: int


def _week_year_and_week(moment: datetime) -> tuple[int, int]:
    day_of_year = moment.timetuple().tm_yday
    sunday = day_of_year + 6 - moment.weekday()
    if sunday > 365 + calendar.isleap(moment.year):
        return moment.year + 1, 1
    return moment.year, (sunday - 1) // 7 + 1


def _year(year: int, width: int) -> str:
    return f"{year % 100:02}" if width == 2 else f"{year:0{width}}"


def _month(moment: datetime, width: int, words: _Words) -> str:
    if width <= 2:
        return f"{moment.month:0{width}}"
    return (words.short_months if width == 3 else words.months)[moment.month - 1]


def _weekday(moment: datetime, width: int, words: _Words) -> str:
    return (words.short_weekdays if width <= 3 else words.weekdays)[moment.weekday()]


def _zone(moment: datetime) -> str:
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError("a time without a zone cannot be formatted with z")
    sign = "-" if offset < timedelta(0) else "+"
    minutes, seconds = divmod(int(abs(offset).total_seconds()), 60)
    text = f"UTC{sign}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{seconds:02}" if seconds else text


def _number(read: Callable[[datetime], int]) -> Callable[[datetime, int, _Words], str]:
    return lambda moment, width, words: f"{read(moment):0{width}}"


_FIELDS: dict[str, tuple[int, Callable[[datetime, int, _Words], str]]] = {
    # letter: (most letters in a row, text of a moment)
    "G": (4, lambda moment, width, words: words.era),
    "y": (9, lambda moment, width, words: _year(moment.year, width)),
    "Y": (9, lambda moment, width, words: _year(_week_year_and_week(moment)[0], width)),
    "M": (4, _month),
    "w": (2, _number(lambda moment: _week_year_and_week(moment)[1])),
    "W": (1, _number(lambda moment: (moment.day - 1 + moment.replace(day=1).weekday()) // 7 + 1)),
    "D": (3, _number(lambda moment: moment.timetuple().tm_yday)),
    "d": (2, _number(lambda moment: moment.day)),
    "E": (4, _weekday),
    "e": (2, _number(lambda moment: moment.isoweekday())),
    "a": (1, lambda moment, width, words: words.half_days[moment.hour // 12]),
    "H": (2, _number(lambda moment: moment.hour)),
    "k": (2, _number(lambda moment: moment.hour or 24)),
    "K": (2, _number(lambda moment: moment.hour % 12)),
    "h": (2, _number(lambda moment: moment.hour % 12 or 12)),
    "m": (2, _number(lambda moment: moment.minute)),
    "s": (2, _number(lambda moment: moment.second)),
    "z": (4, lambda moment, width, words: _zone(moment)),
}


@dataclass(frozen=True, slots=True)
class TimePattern:
    """A time variable's definition, read and checked. Make one with :meth:`parse`.

    :param text: the pattern as its author wrote it
    """

    text: str
    _pieces: tuple[str | _Letters, ...]
    _offsets: tuple[int, ...]
    _offsets_at: int

    @classmethod
    def parse(cls, text: str) -> TimePattern:
        """Read a pattern. The same text gives the same object.

        :param text: ``FORMAT`` or ``FORMAT|OFFSETS``
        :return: the pattern
        :raises PatternError: it is empty or has an unknown letter, an open quote or a bad offset
        """
        return _parse(text)

    def format(self, business_time: datetime, locale: Locale = "zh") -> str:
        """Return the text that the pattern gives for a business time.

        Offsets move the wall clock, in the order year, month, week, day, hour, minute; a day that a month
        does not have becomes its last day (DMS reference, section 2.6).

        :param business_time: in the zone of the flow
        :param locale: language of the words for era, month, weekday and half day
        :raises PatternError: the offsets lead out of the years 1 to 9999
        """
        try:
            moment = _shift(business_time, self._offsets)
        except (OverflowError, ValueError) as error:
            raise PatternError(
                f"the offsets of {self.text!r} lead from {business_time.date()} out of the years 1 to 9999",
                self._offsets_at,
            ) from error
        words = _WORDS[locale]
        return "".join(
            piece if isinstance(piece, str) else _FIELDS[piece.letter][1](moment, piece.width, words)
            for piece in self._pieces
        )


@lru_cache(maxsize=4096)
def _parse(text: str) -> TimePattern:
    if len(text) > _MAX_CHARACTERS:
        raise PatternError(f"a pattern has at most {_MAX_CHARACTERS} characters", _MAX_CHARACTERS)
    pieces, end = _parse_format(text)
    if not pieces:
        raise PatternError("a pattern needs a format, for example yyyy-MM-dd or yyyyMMdd|-1d", 0)
    offsets = _parse_offsets(text, end + 1) if end < len(text) else (0,) * len(_OFFSET_UNITS)
    return TimePattern(text, pieces, offsets, min(end + 1, len(text)))


def _parse_format(text: str) -> tuple[tuple[str | _Letters, ...], int]:
    """Return the pieces of the format, and the offset of the ``|`` behind it, or of the end."""
    pieces: list[str | _Letters] = []
    at = 0
    while at < len(text) and text[at] != "|":
        character = text[at]
        start = at
        if character == "'":
            literal, at = _parse_quoted(text, at)
            pieces.append(literal)
        elif character.isascii() and character.isalpha():
            while at < len(text) and text[at] == character:
                at += 1
            pieces.append(_letters(character, at - start, start))
        else:
            pieces.append(character)
            at += 1
    return tuple(pieces), at


def _parse_quoted(text: str, start: int) -> tuple[str, int]:
    literal = ""
    at = start + 1
    while (quote := text.find("'", at)) >= 0:
        literal += text[at:quote]
        if not text.startswith("''", quote):
            return literal or "'", quote + 1
        literal += "'"
        at = quote + 2
    raise PatternError("this quote is not closed; '' stands for a quote itself", start)


def _letters(letter: str, width: int, start: int) -> _Letters:
    if letter not in _FIELDS:
        raise PatternError(
            f"unknown letter {letter}; known are {' '.join(_FIELDS)}; other text stands in single quotes",
            start,
        )
    most = _FIELDS[letter][0]
    if width > most:
        raise PatternError(f"{letter * width}: {letter} stands at most {most} times in a row", start)
    return _Letters(letter, width)


def _parse_offsets(text: str, start: int) -> tuple[int, ...]:
    if start == len(text):
        raise PatternError("no offset follows the |; write for example |-1d", start - 1)
    amounts = dict.fromkeys(_OFFSET_UNITS, 0)
    at = start
    while at < len(text):
        match = _OFFSET.match(text, at)
        if match is None:
            raise PatternError(
                f"{text[at : at + 12]!r} is no offset: write a sign, a number and a unit, for example -1d or"
                " +2M-1d; the units are m (minute) h d w M (month) y",
                at,
            )
        sign, digits, unit = match.groups()
        if len(digits) > _MAX_OFFSET_DIGITS:
            raise PatternError(f"the number of an offset has at most {_MAX_OFFSET_DIGITS} digits", at)
        amounts[unit] += int(sign + digits)
        at = match.end()
    return tuple(amounts.values())


def _shift(moment: datetime, offsets: tuple[int, ...]) -> datetime:
    years, months, weeks, days, hours, minutes = offsets
    moment = _add_months(_add_months(moment, 12 * years), months)
    step = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes)
    return moment + step if step else moment


def _add_months(moment: datetime, months: int) -> datetime:
    if not months:
        return moment
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError(year)
    return moment.replace(
        year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]), fold=0
    )
