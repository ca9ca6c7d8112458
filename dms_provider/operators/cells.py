"""Cells of a query's result as text.

Source: flow-spec, *sql_assignment*; DMS reference, sections 2.7 and 11 (row 16).
"""

from __future__ import annotations

import json
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from dms_provider import messages
from dms_provider.variables.output_types import MAX_DIGITS, is_date, is_identifier, is_number
from dms_provider.variables.values import OutputType

_SHOWN_CHARACTERS = 60
_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]")


class CellError(ValueError):
    """A cell cannot be a value of an output. The message says why, and what to do in the query."""


def cell_text(cell: Any) -> str | None:
    """Return a cell as text; ``None`` for a NULL.

    Numbers are plain, without an exponent; dates and times are ``yyyy-MM-dd HH:mm:ss``; JSON and arrays are
    JSON.

    :param cell: as the driver gave it
    :raises CellError: the cell is binary, or holds a NUL character
    """
    if cell is None:
        return None
    text = _text(cell)
    if "\0" in text:
        raise CellError("the value holds a NUL character; remove it in the query")
    return text


def check_type(text: str | None, type_: OutputType) -> None:
    """Check that a value is what its output declares. A NULL is a number or a date, but no identifier.

    :raises CellError: it is not
    """
    if type_ == "text" or (text is None and type_ != "identifier"):
        return
    value = text or ""
    if type_ == "number":
        if not is_number(value):
            raise CellError(f"{shortened(text)} is no number of at most {MAX_DIGITS} digits")
    elif type_ == "identifier":
        if not is_identifier(value):
            raise CellError(f"{shortened(text)} is no identifier: 1 to 64 of A-Z a-z 0-9 _")
    elif not is_date(value):
        raise CellError(f"{shortened(text)} is no date: write yyyy-MM-dd or yyyy-MM-dd HH:mm:ss")


def shortened(text: str | None) -> str:
    """Return a value as messages and logs show it."""
    if text is None:
        return "NULL"
    return repr(messages.shortened(text, _SHOWN_CHARACTERS))


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int):
        return format(Decimal(cell), "f")
    if isinstance(cell, float):
        return _float_text(cell)
    if isinstance(cell, Decimal):
        return format(cell, "f") if cell.is_finite() else str(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ", timespec="seconds")[:19]
    if isinstance(cell, date):
        return f"{cell.isoformat()} 00:00:00"
    if isinstance(cell, time):
        return cell.isoformat(timespec="seconds")[:8]
    if isinstance(cell, timedelta):
        return _duration_text(cell)
    if isinstance(cell, (bytes, bytearray, memoryview)):
        return _bytes_text(bytes(cell))
    if isinstance(cell, (dict, list, tuple)):
        return json.dumps(cell, ensure_ascii=False, default=_text)
    return str(cell)


def _float_text(number: float) -> str:
    exact = Decimal(repr(number))
    return format(exact, "f").removesuffix(".0") if exact.is_finite() else str(number)


def _duration_text(duration: timedelta) -> str:
    seconds = abs(duration) // timedelta(seconds=1)
    sign = "-" if duration < timedelta() else ""
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _bytes_text(data: bytes) -> str:
    text = data.decode("utf-8", errors="replace")
    if _UNREADABLE.search(text):
        raise CellError("the value is binary; select it as text, for example with HEX() or a CAST")
    return text
