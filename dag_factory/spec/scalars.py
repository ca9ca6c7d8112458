"""Single values: texts, names, numbers, durations, times. All are written as text and read as their key asks.

Source: flow-spec, *Top level* and *schedule*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainValidator, StringConstraints, WithJsonSchema

from dag_factory.diagnostics import closest
from dag_factory.spec.model import Contradiction, refusal
from dms_provider.hooks.oss_address import OSS_PATTERN
from dms_provider.messages import shortened
from dms_provider.variables.output_types import is_date, is_identifier, is_number

RESERVED_PREFIX = "dms__"
"""Ids of the tasks that the factory adds to a flow."""
_SCALAR_TYPES = ["string", "number", "boolean"]
ID_PATTERN = "^[A-Za-z0-9_.-]{1,200}$"
VARIABLE_PATTERN = "^[A-Za-z0-9_.]+$"
SOMETHING_PATTERN = r"\S"
WORD_PATTERN = r"^\S+$"
CONNECTION_PATTERN = r"^[^\s$@{}]+$"
EXPECTED = {
    ID_PATTERN: "ASCII letters, digits, '_', '-' and '.', at most 200 of them",
    VARIABLE_PATTERN: "a name of ASCII letters, digits, '_' and '.'",
    SOMETHING_PATTERN: "a text that is not empty",
    WORD_PATTERN: "one word without spaces",
    CONNECTION_PATTERN: "the id of an Airflow connection",
    OSS_PATTERN: "oss://CONNECTION/BUCKET/KEY",
}
"""Pattern -> what it asks for, in words."""

UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([smhd])")
_LONGEST = timedelta(days=3650)
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_DATE = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_MEANT_BOOLEANS = {
    "yes": "true",
    "on": "true",
    "y": "true",
    "1": "true",
    "no": "false",
    "off": "false",
    "n": "false",
    "0": "false",
}
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_PERIODS = re.compile(r"([0-9]+)\s*([smhdw])[a-z]*", re.IGNORECASE)
_MEANT_ZONES = dict.fromkeys(
    ("beijing", "china", "utc+8", "utc+08:00", "gmt+8", "gmt+08:00", "+8", "+08:00"), "Asia/Shanghai"
)


def found_words(value: Any) -> str:
    """Return what a value is, in the words of a message."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return "'" + shortened(value).replace("\n", " ").strip() + "'"
    return {"dict": "a mapping", "list": "a list", "tuple": "a list"}.get(
        type(value).__name__, repr(value)[:40]
    )


def need_text(value: Any, expected: str) -> str:
    """Return a value that must be text.

    :param expected: what the key asks for, in words
    :raises PydanticCustomError: ``wrong-type``
    """
    if isinstance(value, str):
        return value
    raise refusal(f"expected {expected}, found {found_words(value)}", code="wrong-type")


def _boolean(value: Any) -> Any:
    if isinstance(value, str):
        known = _BOOLEANS.get(value)
        if known is not None:
            return known
        raise refusal(
            f"expected true or false, found {found_words(value)}",
            code="wrong-type",
            suggestion=_MEANT_BOOLEANS.get(value.lower()) or closest(value.lower(), ["true", "false"]),
        )
    return value


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    text = need_text(value, "a duration such as 10m")
    match = _DURATION.fullmatch(text)
    if match is None:
        raise refusal(
            f"{found_words(text)} is no duration; write a number and a unit s, m, h or d, for example 10m",
            suggestion=_meant_duration(text),
        )
    length = Decimal(match[1]) * UNIT_SECONDS[match[2]]
    if length > _LONGEST.total_seconds():
        raise refusal(f"{found_words(text)} is longer than ten years")
    return timedelta(seconds=float(length))


def _meant_duration(text: str) -> str | None:
    """Return how ``2 hours``, ``1w`` or ``1h30m`` is written."""
    found = _PERIODS.findall(text)
    if not found or len(text) > 40 or _PERIODS.sub("", text).strip():
        return None
    units = {**UNIT_SECONDS, "w": 7 * UNIT_SECONDS["d"]}
    seconds = sum(int(number) * units[unit.lower()] for number, unit in found)
    unit = next(unit for unit in reversed(UNIT_SECONDS) if seconds % UNIT_SECONDS[unit] == 0)
    return f"{seconds // UNIT_SECONDS[unit]}{unit}"


def _more_than_nothing(value: timedelta) -> timedelta:
    if not value:
        raise refusal("the duration must be more than 0")
    return value


def _time_of_day(value: Any) -> time:
    if isinstance(value, time):
        return value
    text = need_text(value, "a time such as 02:55")
    match = _TIME.fullmatch(text)
    if match is None:
        raise refusal(f"{found_words(text)} is no time of day; write HH:MM, from 00:00 to 23:59")
    return time(int(match[1]), int(match[2]))


def _day(value: Any) -> date:
    if isinstance(value, date):
        return value
    text = need_text(value, "a date such as 2023-08-03")
    match = _DATE.fullmatch(text)
    if match is None:
        raise refusal(f"{found_words(text)} is no date; write YYYY-MM-DD")
    try:
        day = date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        raise refusal(f"{found_words(text)} is no date: the calendar has no such day") from None
    if len(text) != 10:
        raise refusal(f"{found_words(text)} is no date; write YYYY-MM-DD", suggestion=day.isoformat())
    return day


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    text = need_text(value, "a date and time such as 2026-12-01 02:00")
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise refusal(f"{found_words(text)} is no date and time; write YYYY-MM-DD HH:MM, without a zone")
    return datetime.combine(_day(match[1]), time(int(match[2]), int(match[3]), int(match[4] or 0)))


@lru_cache(maxsize=1024)
def _zone_problem(name: str) -> tuple[str, str | None] | None:
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        meant = _MEANT_ZONES.get(name.lower().replace(" ", ""))
        if meant is None and not re.search(r"[0-9]", name):
            zones = sorted(available_timezones())
            cities = (zone for zone in zones if zone.lower().endswith("/" + name.lower().replace(" ", "_")))
            meant = next(cities, None) or closest(name, zones)
        return f"{found_words(name)} is no time zone; write a name such as Asia/Shanghai", meant
    return None


def _time_zone(value: str) -> str:
    problem = _zone_problem(value)
    if problem:
        raise refusal(problem[0], suggestion=problem[1])
    return value


def _not_draft(value: str) -> str:
    if value.endswith("__draft"):
        raise refusal("an id cannot end in '__draft'; that is the DAG of NAME.draft.flow.yaml")
    return value


def _not_reserved(value: str) -> str:
    if value.startswith(RESERVED_PREFIX):
        raise refusal(f"ids that begin with '{RESERVED_PREFIX}' are taken; rename '{value}'")
    return value


def check_if_empty(given: dict[str, Any]) -> Iterator[Contradiction]:
    """Give a contradiction where an output's ``if_empty`` is not of the output's ``type``.

    :param given: the output as it is written
    """
    text, type_ = given.get("if_empty"), given.get("type", "text")
    is_right = {"number": is_number, "date": is_date, "identifier": is_identifier}.get(str(type_))
    if isinstance(text, str) and is_right and not is_right(text):
        words = {
            "date": "a date, yyyy-MM-dd or yyyy-MM-dd HH:mm:ss",
            "identifier": "1 to 64 of A-Z a-z 0-9 _",
        }
        expected = words.get(str(type_), "a number")
        yield Contradiction(
            f"type is {type_}, so expected {expected}, found {found_words(text)}", path=("if_empty",)
        )


def _whole_oss_address(value: str) -> str:
    if value.startswith("oss:") and not re.match(OSS_PATTERN, value):
        raise refusal(f"expected {EXPECTED[OSS_PATTERN]}, found {found_words(value)}")
    return value


def _whole_number(value: Any) -> Any:
    if isinstance(value, str) and not _WHOLE_NUMBER.fullmatch(value):
        raise refusal(f"expected a whole number, found {found_words(value)}", code="wrong-type")
    return value


def _index_or_all(value: Any) -> Any:
    if value == "all" or (isinstance(value, int) and value >= 0):
        return value
    text = need_text(value, "a number from 0, or all")
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    raise refusal(
        f"expected a number from 0, or 'all', found {found_words(text)}",
        suggestion=closest(text.lower(), ["all"]),
    )


def _column(value: Any) -> Any:
    if isinstance(value, int) and value >= 0:
        return value
    text = need_text(value, "a number from 0, a column's name, or all")
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    if re.fullmatch(r"-\d+", text) or not text.strip():
        raise refusal(f"expected a number from 0, a column's name, or 'all', found {found_words(text)}")
    return text


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _any_scalar(**more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": _SCALAR_TYPES, **more})


def _number(minimum: int | None = None, maximum: int | None = None) -> WithJsonSchema:
    limits = {"minimum": minimum, "maximum": maximum}
    integer = {"type": "integer", **{name: limit for name, limit in limits.items() if limit is not None}}
    return WithJsonSchema({"anyOf": [integer, {"type": "string", "pattern": r"^\d+$"}]})


WholeNumber = BeforeValidator(_whole_number)
"""A number is written in digits, and nothing else."""
Text = Annotated[str, _any_scalar()]
"""Any text, also an empty one."""
Something = Annotated[
    str, StringConstraints(pattern=SOMETHING_PATTERN), _any_scalar(pattern=SOMETHING_PATTERN)
]
"""A text with more in it than white space."""
Word = Annotated[str, StringConstraints(pattern=WORD_PATTERN), _any_scalar(pattern=WORD_PATTERN)]
Id = Annotated[str, StringConstraints(pattern=ID_PATTERN), _any_scalar(pattern=ID_PATTERN)]
FlowId = Annotated[
    str,
    StringConstraints(pattern=ID_PATTERN),
    AfterValidator(_not_draft),
    _any_scalar(pattern=r"^(?!.*__draft$)[A-Za-z0-9_.-]{1,200}$"),
]
NodeId = Annotated[
    str,
    StringConstraints(pattern=ID_PATTERN),
    AfterValidator(_not_reserved),
    WithJsonSchema({"type": "string", "pattern": r"^(?!dms__)[A-Za-z0-9_.-]{1,200}$"}),
]
VariableName = Annotated[
    str,
    StringConstraints(pattern=VARIABLE_PATTERN),
    WithJsonSchema({"type": "string", "pattern": VARIABLE_PATTERN}),
]
ConnectionId = Annotated[
    str, StringConstraints(pattern=CONNECTION_PATTERN), _any_scalar(pattern=CONNECTION_PATTERN)
]
"""The id of a connection, and no address with a password in it."""
FileOrOss = Annotated[
    str,
    StringConstraints(pattern=SOMETHING_PATTERN),
    AfterValidator(_whole_oss_address),
    WithJsonSchema({"type": "string", "pattern": rf"{OSS_PATTERN}|^(?!oss:)\s*\S"}),
]
"""A file or folder, or an object."""
OssAddress = Annotated[
    str, StringConstraints(pattern=OSS_PATTERN), WithJsonSchema({"type": "string", "pattern": OSS_PATTERN})
]
Boolean = Annotated[
    bool,
    BeforeValidator(_boolean),
    WithJsonSchema({"type": "boolean"}),
]
Duration = Annotated[
    timedelta,
    PlainValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?[smhd]$"}),
]
"""A number and a unit: ``30s``, ``10m``, ``2h``, ``1d``."""
PositiveDuration = Annotated[
    timedelta,
    PlainValidator(lambda value: _more_than_nothing(_duration(value))),
    WithJsonSchema({"type": "string", "pattern": r"^(?!0+(\.0+)?[smhd])\d+(\.\d+)?[smhd]$"}),
]
TimeOfDay = Annotated[
    time,
    PlainValidator(_time_of_day),
    WithJsonSchema({"type": "string", "pattern": r"^([01]?\d|2[0-3]):[0-5]\d$"}),
]
Day = Annotated[
    date, PlainValidator(_day), WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"})
]
Moment = Annotated[
    datetime,
    PlainValidator(_moment),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d\d-\d\d[ T]\d?\d:\d\d(:\d\d)?$"}),
]
TimeZone = Annotated[
    str, AfterValidator(_time_zone), WithJsonSchema({"type": "string", "pattern": WORD_PATTERN})
]
IndexOrAll = Annotated[
    Any,
    PlainValidator(_index_or_all),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^(all|\d+)$"}]}
    ),
]
Column = Annotated[
    Any,
    PlainValidator(_column),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "minLength": 1}]}),
]
OneOrMany = BeforeValidator(_one_or_many)
"""A single text stands for a list of it."""
