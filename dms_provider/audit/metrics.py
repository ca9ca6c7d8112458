"""What each metric is made of: numbers that a database can give in one pass, and what is computed of them.

Source: flow-spec, *audit*.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from decimal import Decimal, localcontext
from typing import Any, Final

from dms_provider.variables.output_types import is_number

Compute = Callable[[Sequence[Any]], Decimal | None]

_DIGITS: Final = 40
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}.*)?", re.ASCII | re.DOTALL)


class WrongValue(ValueError):
    """What a database gave is not what the rule can be asked of. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is had.

    :param parts: what the database is asked for: names of :class:`~dms_provider.dialects.Aggregates`
    :param compute: the value, of the parts in their order; ``None`` where there is none
    :param shows_cells: the value is a cell of the column, or tells one
    """

    parts: tuple[str, ...]
    compute: Compute
    shows_cells: bool = False


def number(value: Any) -> Decimal | None:
    """Return a number of a database as it is, without a way over binary fractions.

    :raises WrongValue: it is no number
    """
    if value is None:
        return None
    if isinstance(value, Decimal):
        return value
    if isinstance(value, (bool, int)):
        return Decimal(int(value))
    if isinstance(value, float):
        return Decimal(repr(value))
    text = value.decode("utf-8", errors="replace") if isinstance(value, (bytes, bytearray)) else value
    if isinstance(text, str) and is_number(text.strip()):
        return Decimal(text.strip())
    raise WrongValue(
        f"a check compares numbers, and this is of type {type(value).__name__}; use a sql rule that makes a"
        " number of it"
    )


def _only(parts: Sequence[Any]) -> Decimal | None:
    return number(parts[0])


def _count(parts: Sequence[Any]) -> Decimal:
    return number(parts[0]) or Decimal(0)


def _difference(parts: Sequence[Any]) -> Decimal:
    return _count(parts[:1]) - _count(parts[1:])


def _ratio(parts: Sequence[Any]) -> Decimal | None:
    dividend, divisor = number(parts[0]), number(parts[1])
    if dividend is None or not divisor:
        return None
    with localcontext() as exact:
        exact.prec = _DIGITS
        return dividend / divisor


def _missing_share(parts: Sequence[Any]) -> Decimal | None:
    rows = _count(parts[:1])
    return _ratio((rows - _count(parts[1:]), rows))


def _age(parts: Sequence[Any]) -> Decimal | None:
    newest, now = parts
    if newest is None:
        return None
    moment, present = _moment(newest), _moment(now)
    if moment.tzinfo is None:
        present = present.replace(tzinfo=None)
    elif present.tzinfo is None:
        present = datetime.now(timezone.utc)
    age = present - moment
    return Decimal(age.days * 86_400 + age.seconds) + Decimal(age.microseconds).scaleb(-6)


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    text = value.decode("ascii", errors="replace") if isinstance(value, (bytes, bytearray)) else value
    if isinstance(text, str) and _DAY.fullmatch(text.strip()):
        try:
            return datetime.fromisoformat(_without_z(text.strip()))
        except ValueError:
            pass
    raise WrongValue(
        "freshness needs a column of dates or times, or of texts like 2023-08-03 12:00:00; use a sql rule"
        " that computes the age"
    )


def _without_z(text: str) -> str:
    """Return what Python 3.10 reads, too."""
    text = re.sub(r"[zZ]\Z", "+00:00", text)
    found = re.fullmatch(r"(.{19})[.,](\d+)(.*)", text, re.DOTALL)
    return f"{found[1]}.{found[2][:6]:0<6}{found[3]}" if found else text


METRICS: Final[Mapping[str, Metric]] = {
    "row_count": Metric(("rows",), _count),
    "null_count": Metric(("rows", "filled"), _difference),
    "null_rate": Metric(("rows", "filled"), _missing_share),
    "distinct_count": Metric(("distinct",), _count),
    "duplicate_count": Metric(("filled", "distinct"), _difference),
    "unique_rate": Metric(("distinct", "filled"), _ratio),
    "min": Metric(("min",), _only, shows_cells=True),
    "max": Metric(("max",), _only, shows_cells=True),
    "sum": Metric(("sum",), _only, shows_cells=True),
    "avg": Metric(("sum", "filled"), _ratio, shows_cells=True),
    "stddev": Metric(("stddev",), _only),
    "length_min": Metric(("length_min",), _only),
    "length_max": Metric(("length_max",), _only),
    "match_rate": Metric(("matching", "filled"), _ratio),
    "in_set_rate": Metric(("in_set", "filled"), _ratio),
    "freshness": Metric(("max", "now"), _age, shows_cells=True),
}
"""Every metric. A rate is of the values that are there, but ``null_rate`` is of all rows."""
