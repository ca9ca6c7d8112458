"""Rows as CSV: RFC 4180 in UTF-8, with a header; nothing of a value is lost, and NULL is no empty text.

A NULL is an empty field, an empty text is ``""``. Numbers are plain, without an exponent; dates are
``yyyy-MM-dd``, times ``HH:mm:ss``, both together ``yyyy-MM-dd HH:mm:ss``, each with the fraction and offset
that it has; truth is ``true`` or ``false``; bytes are hexadecimal digits; JSON and arrays are JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

MEDIA_TYPE = "text/csv; charset=utf-8; header=present"

_LINE_END = "\r\n"
_HALF_A_CHARACTER = re.compile(r"[\ud800-\udfff]")
_needs_quotes = re.compile(r'[",\r\n]').search


class UnwritableCell(ValueError):
    """A value cannot be written as text. The message names its column and row."""


def header_line(columns: Sequence[str]) -> bytes:
    """Return the names of columns as the first line."""
    return (",".join(map(_field, columns)) + _LINE_END).encode()


def lines(rows: Sequence[Sequence[Any]], columns: Sequence[str], rows_before: int) -> bytes:
    """Return rows as lines.

    :param columns: their names, for the message
    :param rows_before: how many rows were written before these, for the message
    :raises UnwritableCell: a text holds what is no character
    """
    text = "".join([",".join([_field(cell) for cell in row]) + _LINE_END for row in rows])
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _unwritable(rows, columns, rows_before) from None


def _field(cell: Any) -> str:
    kind = type(cell)
    if kind is not str:
        write = _NEVER_QUOTED.get(kind)
        if write is not None:
            return write(cell)
        cell = cell_text(cell)
    if not cell or _needs_quotes(cell):
        cell = cell.replace('"', '""')
        return f'"{cell}"'
    return str(cell)


def cell_text(cell: Any) -> str:
    """Return a value that is no NULL as text that it can be read back from."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int):
        return format(Decimal(cell), "f")
    if isinstance(cell, Decimal):
        return _decimal_text(cell)
    if isinstance(cell, float):
        exact = Decimal(repr(cell))
        return format(exact, "f").removesuffix(".0") if exact.is_finite() else str(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, (date, time)):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return _duration_text(cell)
    if isinstance(cell, (bytes, bytearray, memoryview)):
        return bytes(cell).hex()
    if isinstance(cell, (dict, list, tuple)):
        return json.dumps(cell, ensure_ascii=False, default=cell_text)
    return str(cell)


def _decimal_text(number: Decimal) -> str:
    text = str(number)
    return format(number, "f") if "E" in text else text


def _duration_text(duration: timedelta) -> str:
    length = abs(duration)
    seconds = length.days * 86_400 + length.seconds
    sign = "-" if duration < timedelta() else ""
    fraction = f".{length.microseconds:06d}" if length.microseconds else ""
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


_NEVER_QUOTED: Mapping[type, Callable[[Any], str]] = {
    type(None): lambda _: "",
    int: str,
    Decimal: _decimal_text,
    float: cell_text,
    bool: cell_text,
    datetime: cell_text,
    date: date.isoformat,
}
"""Types of which most cells are -> what writes them; other types are found by what they are derived from."""


def _unwritable(rows: Sequence[Sequence[Any]], columns: Sequence[str], rows_before: int) -> UnwritableCell:
    row, column = next(
        (number, column)
        for number, row in enumerate(rows, rows_before + 1)
        for column, cell in zip(columns, row, strict=True)
        if _HALF_A_CHARACTER.search(_field(cell))
    )
    return UnwritableCell(f"row {row}, column {column}: half of a character is in it; mend it in the query")
