"""Rows as the tunnel of MaxCompute streams them: fields of protocol buffers, with checksums."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from odps.tunnel.checksum import Checksum

END_OF_ROW = 33553408
ROW_COUNT = 33554430
CHECKSUM = 33554431
_NUMBER, _EIGHT_BYTES, _BYTES = 0, 1, 2


def stream(rows: Iterable[Sequence[Any]], zone: ZoneInfo) -> bytes:
    """Return rows of integers, floats, texts, bytes and points in time.

    :param zone: in which points in time are meant
    """
    parts: list[bytes] = []
    whole = Checksum()
    count = 0
    for row in rows:
        checksum = Checksum()
        for number, value in enumerate(row, 1):
            if value is not None:
                checksum.update_int(number)
                parts.append(_field(number, value, checksum, zone))
        parts += [_tag(END_OF_ROW, _NUMBER), _varint(checksum.getvalue() & 0xFFFFFFFF)]
        whole.update_int(_signed(checksum.getvalue()))
        count += 1
    parts += [_tag(ROW_COUNT, _NUMBER), _varint(_zigzag(count))]
    parts += [_tag(CHECKSUM, _NUMBER), _varint(whole.getvalue() & 0xFFFFFFFF)]
    return b"".join(parts)


def _field(number: int, value: Any, checksum: Any, zone: ZoneInfo) -> bytes:
    if isinstance(value, float):
        checksum.update_double(value)
        return _tag(number, _EIGHT_BYTES) + struct.pack("<d", value)
    if isinstance(value, datetime):
        value = int(value.replace(tzinfo=zone).timestamp() * 1000)
    if isinstance(value, int):
        checksum.update_long(value)
        return _tag(number, _NUMBER) + _varint(_zigzag(value))
    data = value.encode() if isinstance(value, str) else value
    checksum.update(data)
    return _tag(number, _BYTES) + _varint(len(data)) + data


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*found, number))


def _zigzag(number: int) -> int:
    return (number << 1) ^ (number >> 63)


def _signed(number: int) -> int:
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >= 1 << 31 else number
