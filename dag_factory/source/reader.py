"""Parser events become plain values in one pass: dicts, lists, texts and ``None`` for a value left empty."""

from __future__ import annotations

from typing import Any, NoReturn

from yaml import YAMLError
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from dag_factory.source.events import parse_events
from dag_factory.source.syntax import syntax_mistake
from dag_factory.source.text import Mistake, line_and_column

MAX_DEPTH = 32
"""No key of a flow spec lies deeper than half of this."""

MAX_MISTAKES = 50
"""Each costs a look through the file for its line."""

_NO_ALIAS = (
    "anchors (&) and aliases (*) are not read; write the value where it is used, or name it in 'constants'"
)


class Unreadable(Exception):
    """Nothing after this place can be read."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.message)
        self.mistake = mistake


class Reader:
    """Reads one text.

    :param text: a file's text
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._next = parse_events(text).get_event
        self.mistakes: list[Mistake] = []
        """What was refused although the rest could be read."""

    def read(self) -> dict[str, Any]:
        """Return the values of the file's one document, a mapping.

        :raises Unreadable: the file can be read no further
        """
        try:
            return self._document()
        except YAMLError as error:
            raise Unreadable(syntax_mistake(self._text, error)) from None

    def _document(self) -> dict[str, Any]:
        next_event = self._next
        next_event()
        event = next_event()
        if isinstance(event, StreamEndEvent):
            raise Unreadable(
                Mistake(1, 1, "empty-file", "the file is empty; a flow needs version, owner and nodes")
            )
        event = next_event()
        if not isinstance(event, MappingStartEvent):
            if isinstance(event, ScalarEvent) and not event.value and not event.style:
                self._stop(
                    event, "empty-file", "the file holds no value; a flow needs version, owner and nodes"
                )
            found = "a list" if isinstance(event, SequenceStartEvent) else "a single text"
            self._stop(
                event, "wrong-type", f"a flow is a mapping of keys such as 'version' and 'nodes', not {found}"
            )
        self._refuse_marks(event)
        values = self._mapping(event, 1)
        event = next_event()
        while not isinstance(event, DocumentEndEvent):
            event = next_event()
        event = next_event()
        if not isinstance(event, StreamEndEvent):
            self._refuse(
                event,
                "several-documents",
                "a file holds one flow; move what follows '---' to a file of its own",
            )
        return values

    def _mapping(self, start: Any, depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            self._stop(start, "too-deep", f"more than {MAX_DEPTH} levels of nesting; no flow needs that")
        result: dict[str, Any] = {}
        places: dict[str, Any] = {}
        next_event = self._next
        while True:
            event = next_event()
            kind = type(event)
            if kind is MappingEndEvent:
                return result
            if kind is not ScalarEvent:
                self._refuse_key(event, depth)
                self._value(next_event(), depth + 1)
                continue
            if event.anchor is not None or event.tag is not None:
                self._refuse_marks(event)
            key = event.value
            if not event.style and (key == "<<" or not key):
                self._refuse_plain_key(event)
                self._value(next_event(), depth + 1)
            elif key in result:
                first, _ = line_and_column(self._text, places[key].start_mark.index)
                self._refuse(
                    event,
                    "duplicate-key",
                    f"key '{key}' is already given in line {first}; remove one of them",
                )
                self._value(next_event(), depth + 1)
            else:
                places[key] = event
                result[key] = self._value(next_event(), depth + 1)

    def _sequence(self, start: Any, depth: int) -> list[Any]:
        if depth > MAX_DEPTH:
            self._stop(start, "too-deep", f"more than {MAX_DEPTH} levels of nesting; no flow needs that")
        result: list[Any] = []
        next_event = self._next
        while True:
            event = next_event()
            if type(event) is SequenceEndEvent:
                return result
            result.append(self._value(event, depth + 1))

    def _value(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if kind is AliasEvent:
            self._refuse(event, "alias", _NO_ALIAS)
            return None
        if event.anchor is not None or event.tag is not None:
            self._refuse_marks(event)
        if kind is ScalarEvent:
            return event.value or ("" if event.style else None)
        if kind is MappingStartEvent:
            return self._mapping(event, depth)
        return self._sequence(event, depth)

    def _refuse_key(self, event: Any, depth: int) -> None:
        if isinstance(event, AliasEvent):
            self._refuse(event, "alias", _NO_ALIAS)
            return
        self._refuse(
            event, "wrong-type", "a key must be text, not a list or mapping; put a text with braces in quotes"
        )
        self._value(event, depth + 1)

    def _refuse_plain_key(self, event: Any) -> None:
        if event.value:
            self._refuse(event, "merge-key", "'<<' merges nothing here; write the keys where they are used")
        else:
            self._refuse(event, "syntax", "a key is missing before ':'")

    def _refuse_marks(self, event: Any) -> None:
        if event.anchor is not None:
            self._refuse(event, "alias", _NO_ALIAS)
        if event.tag is not None:
            self._refuse(event, "tag", f"the tag '{event.tag}' is not read; write the value without '!'")

    def _refuse(self, event: Any, code: str, message: str) -> None:
        if len(self.mistakes) == MAX_MISTAKES:
            self._stop(event, "too-many", f"more than {MAX_MISTAKES} such mistakes; the rest is not read")
        self.mistakes.append(Mistake(*line_and_column(self._text, event.start_mark.index), code, message))

    def _stop(self, event: Any, code: str, message: str) -> NoReturn:
        raise Unreadable(Mistake(*line_and_column(self._text, event.start_mark.index), code, message))
