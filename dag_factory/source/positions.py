"""Where in a file each key and each value stands. Computed only when somebody asks: at a problem."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from dag_factory.diagnostics import Path
from dag_factory.source.events import parse_events
from dag_factory.source.text import line_and_column

_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|\r\n|[\s\S])")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_WHITE_ESCAPES = frozenset("\\" + letter for letter in "tn \tN_LPrvf\r\n")


@dataclass(slots=True)
class Place:
    """A value's place, and below it the places of what it holds.

    :param start: characters before the value
    :param end: characters before what follows it
    :param style: of a scalar: ``'`` ``"`` ``|`` ``>``, ``None`` for a plain one or a collection
    """

    start: int
    end: int
    style: str | None = None
    is_scalar: bool = False
    keys: dict[str | int, int] = field(default_factory=dict)
    values: dict[str | int, Place] = field(default_factory=dict)


def places_of(text: str) -> Place:
    """Return the place of the document's mapping.

    :param text: of a file that could be read
    """
    next_event = parse_events(text).get_event
    next_event()
    next_event()
    return _place(next_event(), next_event)


def _place(event: Any, next_event: Any) -> Place:
    start, end = event.start_mark.index, event.end_mark.index
    if isinstance(event, ScalarEvent):
        return Place(start, end, event.style or None, is_scalar=True)
    place = Place(start, end)
    if isinstance(event, (AliasEvent, DocumentEndEvent)):
        return place
    is_mapping = isinstance(event, MappingStartEvent)
    number = 0
    while not isinstance(event := next_event(), (MappingEndEvent, SequenceEndEvent)):
        if not is_mapping:
            place.values[number] = _place(event, next_event)
            number += 1
            continue
        start = event.start_mark.index
        key = event.value if isinstance(event, ScalarEvent) else None
        if key is None:
            _place(event, next_event)
        value = _place(next_event(), next_event)
        if key is not None and key not in place.keys:
            place.keys[key] = start
            place.values[key] = value
    return place


class Positions:
    """The places of one text.

    :param text: of a file that could be read
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._top = places_of(text)
        self._last_value = (-1, "")

    def position(self, path: Path, *, key: bool = False, offset: int | None = None) -> tuple[int, int]:
        """Return the 1-based line and column of a value, or of the nearest one around it that exists.

        :param path: keys and list indexes from the top
        :param key: the place of the value's key instead
        :param offset: characters into the value's text
        """
        place = self._top
        key_start: int | None = None
        for step in path:
            below = place.values.get(step)
            if below is None:
                return line_and_column(self._text, place.start)
            key_start = place.keys.get(step)
            place = below
        if key and key_start is not None:
            return line_and_column(self._text, key_start)
        if place.is_scalar and place.start == place.end and key_start is not None:
            return line_and_column(self._text, key_start)
        if offset is None or not place.is_scalar:
            return line_and_column(self._text, place.start)
        return line_and_column(self._text, self._inside(place, offset))

    def _inside(self, place: Place, offset: int) -> int:
        if place.style == "|":
            return self._inside_literal(place, offset)
        written = self._text[place.start : place.end]
        if "\n" not in written and "\r" not in written and (place.style is None):
            return place.start + min(offset, len(written))
        return self._inside_folded(place, written, offset)

    def _inside_literal(self, place: Place, offset: int) -> int:
        start, lines = self._block_lines(place)
        indent = _leading_spaces(lines)
        if any(mark.isdigit() for mark in self._text[place.start : start]):
            indent -= _leading_spaces(self._value_of(place).splitlines())
        left = offset
        for line in lines:
            bare = line.rstrip("\r\n")
            length = max(len(bare) - indent, 0)
            if left <= length:
                return start + min(indent, len(bare)) + left
            left -= length + 1
            start += len(line)
        return min(start, len(self._text))

    def _block_lines(self, place: Place) -> tuple[int, list[str]]:
        lines = _LINE.findall(self._text, place.start, place.end)
        return place.start + len(lines[0]), lines[1:]

    def _inside_folded(self, place: Place, written: str, offset: int) -> int:
        """Count characters that are no white space: folding changes only white space."""
        value = self._value_of(place)
        wanted = sum(not character.isspace() for character in value[:offset])
        last = place.start
        for number, index in enumerate(_solid_characters(place, written)):
            if number == wanted:
                return index if not value[offset : offset + 1].isspace() else last + 1
            last = index
        return last + 1

    def _value_of(self, place: Place) -> str:
        """Return the scalar's text by reading it again, alone; the last one is kept for the next question."""
        if self._last_value[0] != place.start:
            self._last_value = (place.start, self._read_value(place))
        return self._last_value[1]

    def _read_value(self, place: Place) -> str:
        next_event = parse_events(self._text).get_event
        while (event := next_event()) is not None:
            if isinstance(event, ScalarEvent) and cast(Any, event.start_mark).index == place.start:
                return str(event.value)
        return ""


def _leading_spaces(lines: list[str]) -> int:
    first = next((line for line in lines if line.strip()), "")
    return len(first) - len(first.lstrip(" "))


def _solid_characters(place: Place, written: str) -> Iterator[int]:
    """Give the place in the file of each character of a scalar's text that is no white space."""
    index, end = 0, len(written)
    if place.style in ("|", ">"):
        index = len(re.split(r"(?<=\n)", written, maxsplit=1)[0])
    elif place.style is not None:
        index, end = 1, end - 1
    while index < end:
        character = written[index]
        step = 1
        if place.style == "'" and character == "'":
            step = 2
        elif place.style == '"' and character == "\\":
            escape = _ESCAPE.match(written, index)
            step = len(escape.group()) if escape else 2
            if escape and escape.group() in _WHITE_ESCAPES:
                index += step
                continue
        if not character.isspace():
            yield place.start + index
        index += step
