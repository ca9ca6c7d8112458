"""A fast way through the plain form in which most specs are written.

PyYAML makes an object with two marks for each event, five times the cost of everything else that is done
with a spec.
This reads lines of ``key: value``, lists, ``|`` texts and simple ``[a, b]`` and ``{a: b}``, exactly as the
YAML parser
does; where a text holds anything else, or anything that might be a mistake, it gives up, and the YAML
parser decides.
"""

from __future__ import annotations

import re
from typing import Any

_LINE = re.compile(r"( *)([A-Za-z0-9_][A-Za-z0-9_.-]{0,99}):(?= |$)")
_NO_CONTENT = re.compile(r" *(?:#.*)?")
_PLAIN_IN_FLOW = r"[A-Za-z0-9_](?:[A-Za-z0-9_./@+|-]|:(?=[A-Za-z0-9])| (?=[A-Za-z0-9_]))*(?::(?= ))?"
_QUOTED = r"'[^'\n]*'|\"[^\"\\\n]*\""
_FLOW_PIECES = re.compile(rf"{_PLAIN_IN_FLOW}|{_QUOTED}|[^ ]")
_FLOW_START = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_QUOTED_WHOLE = re.compile(_QUOTED)
_INDICATORS = frozenset("-?:,[]{}#&*!|>'\"%@`")
_OTHER_BREAKS = re.compile("[\t\r\x85\u2028\u2029]")
_MAX_DEPTH = 8


class _NotPlain(Exception):
    """The text is written in another way."""


def read_plain_form(text: str) -> dict[str, Any] | None:
    """Return the values of a spec, or ``None`` where the YAML parser must read it.

    :param text: a file's text
    """
    if not text.endswith("\n") or _OTHER_BREAKS.search(text):
        return None
    lines = text.split("\n")
    lines.pop()
    reader = _Lines(lines)
    try:
        start = reader.next_content(1 if lines[0] == "---" else 0)
        if start == len(lines):
            return None
        values, end = reader.mapping(start, 0, 1)
    except _NotPlain:
        return None
    return values if end == len(lines) else None


class _Lines:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._count = len(lines)

    def next_content(self, number: int) -> int:
        """Return the number of the next line that holds more than a comment."""
        lines, count = self._lines, self._count
        while number < count and _NO_CONTENT.fullmatch(lines[number]):
            number += 1
        return number

    def mapping(self, number: int, indent: int, depth: int) -> tuple[dict[str, Any], int]:
        """Read the block mapping that begins in a line; return it and the number of the line behind it."""
        if depth > _MAX_DEPTH:
            raise _NotPlain
        lines, count = self._lines, self._count
        result: dict[str, Any] = {}
        while number < count:
            line = lines[number]
            match = _LINE.match(line)
            if match is None:
                if _NO_CONTENT.fullmatch(line):
                    number += 1
                    continue
                if len(line) - len(line.lstrip(" ")) < indent:
                    return result, number
                raise _NotPlain
            spaces, key = match.groups()
            if len(spaces) != indent:
                if len(spaces) < indent:
                    return result, number
                raise _NotPlain
            value = _without_comment(line[match.end() :])
            if key in result:
                raise _NotPlain
            if not value:
                result[key], number = self._below(self.next_content(number + 1), indent, depth)
            elif value[0] == "|":
                result[key], number = self._literal(number + 1, indent, value)
            else:
                result[key] = _inline(value)
                number += 1
        return result, number

    def _below(self, number: int, indent: int, depth: int) -> tuple[Any, int]:
        """Read what stands in the lines below a key."""
        if number == self._count:
            return None, number
        line = self._lines[number]
        below = len(line) - len(line.lstrip(" "))
        if below >= indent and line.startswith("- ", below):
            return self._sequence(number, below)
        if below > indent:
            return self.mapping(number, below, depth + 1)
        return None, number

    def _sequence(self, number: int, indent: int) -> tuple[list[Any], int]:
        lines, count = self._lines, self._count
        result: list[Any] = []
        while (number := self.next_content(number)) < count:
            line = lines[number]
            below = len(line) - len(line.lstrip(" "))
            if below < indent or (below == indent and not line.startswith("-", below)):
                break
            value = _without_comment(line[below + 1 :])
            if below > indent or line[below : below + 2] != "- " or not value or _LINE.match(value):
                raise _NotPlain
            result.append(_inline(value))
            number += 1
        return result, number

    def _literal(self, number: int, indent: int, header: str) -> tuple[str, int]:
        if header not in ("|", "|-") or number == self._count:
            raise _NotPlain
        lines, count = self._lines, self._count
        first = lines[number]
        inner = len(first) - len(first.lstrip(" "))
        if inner <= indent or inner == len(first):
            raise _NotPlain
        prefix = first[:inner]
        content = []
        while number < count:
            line = lines[number]
            if line.startswith(prefix):
                rest = line[inner:]
                if rest.isspace():
                    raise _NotPlain
                content.append(rest)
            elif not line or line.isspace():
                content.append("")
            else:
                break
            number += 1
        while not content[-1]:
            content.pop()
        text = "\n".join(content)
        return (text if header == "|-" else text + "\n"), number


def _without_comment(rest: str) -> str:
    comment = rest.find(" #")
    return (rest if comment < 0 else rest[:comment]).strip(" ")


def _inline(value: str) -> Any:
    """Read a value that stands behind its key or dash."""
    first = value[0]
    if first not in _INDICATORS:
        if ": " in value or value[-1] == ":":
            raise _NotPlain
        return value
    if first in "'\"":
        if not _QUOTED_WHOLE.fullmatch(value):
            raise _NotPlain
        return value[1:-1]
    if first in "[{":
        pieces = _FLOW_PIECES.findall(value)
        pieces.reverse()
        result = _flow(pieces, 1)
        if not pieces:
            return result
    raise _NotPlain


def _flow(pieces: list[str], depth: int) -> Any:
    """Read one value of a ``[a, b]`` or ``{a: b}``.

    :param pieces: of the text, the next one last; those of the value are taken away
    """
    piece = pieces.pop() if pieces else ""
    if depth > _MAX_DEPTH or not piece:
        raise _NotPlain
    if piece == "[":
        return _flow_list(pieces, depth)
    if piece == "{":
        return _flow_mapping(pieces, depth)
    if piece[0] in _FLOW_START and piece[-1] != ":":
        return piece
    if piece[0] in "'\"" and len(piece) > 1:
        return piece[1:-1]
    raise _NotPlain


def _flow_list(pieces: list[str], depth: int) -> list[Any]:
    result: list[Any] = []
    if pieces and pieces[-1] == "]":
        pieces.pop()
        return result
    while True:
        result.append(_flow(pieces, depth + 1))
        closing = pieces.pop() if pieces else ""
        if closing == "]":
            return result
        if closing != ",":
            raise _NotPlain


def _flow_mapping(pieces: list[str], depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if pieces and pieces[-1] == "}":
        pieces.pop()
        return result
    while True:
        key = pieces.pop() if pieces else ""
        if len(key) < 2 or key[0] not in _FLOW_START or key[-1] != ":" or key[:-1] in result:
            raise _NotPlain
        result[key[:-1]] = _flow(pieces, depth + 1)
        closing = pieces.pop() if pieces else ""
        if closing == "}":
            return result
        if closing != ",":
            raise _NotPlain
