"""Bytes of a spec file become text, or the reason why they do not."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_BYTES = 1024 * 1024
"""A spec file above this size is refused; a flow of 1,000 nodes with their statements is far below it."""

_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_PLAIN_BYTES = bytes([0x09, 0x0A, 0x0D, *range(0x20, 0x7F)])
_REFUSED = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"


class Mistake(NamedTuple):
    """What is wrong with a file as text.

    :param index: characters from the beginning of the text to the place; ``line`` and ``column`` count from 1
    """

    line: int
    column: int
    code: str
    message: str


def line_and_column(text: str, index: int) -> tuple[int, int]:
    """Return the 1-based line and column of a character.

    :param index: characters before it; CR, LF and CRLF each end a line
    """
    before = text[:index]
    if "\r" in before:
        before = before.replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def decode(data: bytes) -> str | Mistake:
    """Return the text of a spec file, without a byte order mark, or why the bytes are no such text.

    :param data: the file's bytes, at most one more than :data:`MAX_BYTES` of them
    """
    if len(data) > MAX_BYTES:
        return Mistake(1, 1, "too-large", f"the file is larger than {MAX_BYTES // 1024} KiB; split the flow")
    for mark, name in _OTHER_BOMS:
        if data.startswith(mark):
            return Mistake(1, 1, "wrong-encoding", f"the file is {name}; save it as UTF-8")
    if data.startswith(_BOM):
        data = data[len(_BOM) :]
    if data.isascii():
        text = data.decode("ascii")
        if not data.translate(None, _PLAIN_BYTES):
            return text
    else:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            line, column = line_and_column(data[: error.start].decode("utf-8"), error.start)
            message = f"byte 0x{data[error.start]:02X} is not UTF-8; save the file as UTF-8"
            return Mistake(line, column, "wrong-encoding", message)
    refused = re.search(_REFUSED, text)
    if refused is None:
        return text
    place = line_and_column(text, refused.start())
    if refused.group() == "\0":
        return Mistake(
            *place, "control-character", "the file has a NUL character; is it a text file in UTF-8?"
        )
    name = f"U+{ord(refused.group()):04X}"
    return Mistake(*place, "control-character", f"the file has the control character {name}; remove it")
