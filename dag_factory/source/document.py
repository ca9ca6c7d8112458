"""A spec file as plain values that know, when asked, where they stand."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

from dag_factory.diagnostics import Path, Problem, SpecError
from dag_factory.source.reader import Reader, Unreadable
from dag_factory.source.text import MAX_BYTES, Mistake, decode

if TYPE_CHECKING:
    from dag_factory.source.positions import Positions


class Document:
    """What one file says.

    :param text: the file's text, without a byte order mark
    :param values: dicts with text keys, lists, texts, and ``None`` for a value left empty
    """

    __slots__ = ("_positions", "text", "values")

    def __init__(self, text: str, values: dict[str, Any]) -> None:
        self.text = text
        self.values = values
        self._positions: Positions | None = None

    def position(self, path: Path, *, key: bool = False, offset: int | None = None) -> tuple[int, int]:
        """Return the 1-based line and column of a value; of the nearest value around it where there is none.

        A value left empty has no place: its key's is given.

        :param path: keys and list indexes from the top, ``()`` for the whole mapping
        :param key: the place of the key, not of the value behind it
        :param offset: characters into the value's text
        """
        if self._positions is None:
            from dag_factory.source.positions import Positions

            self._positions = Positions(self.text)
        return self._positions.position(path, key=key, offset=offset)


class SourceError(SpecError):
    """A file is not the plain YAML that a flow spec is.

    :param problems: all that was refused
    :param document: what could be read nevertheless, so that its other problems can be told in the same go
    """

    def __init__(self, problems: tuple[Problem, ...], document: Document | None = None) -> None:
        super().__init__(problems)
        self.document = document


def read_bytes(path: pathlib.Path, file: str) -> bytes:
    """Return a spec file's bytes, never reading more than is needed to know that it is too large.

    :param path: of the file
    :param file: the file as problems name it
    :raises SourceError: ``unreadable-file`` or ``too-large``
    """
    try:
        with path.open("rb", buffering=0) as stream:
            data = stream.read(MAX_BYTES + 1) or b""
            while len(data) <= MAX_BYTES and (more := stream.read(MAX_BYTES + 1 - len(data))):
                data += more
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _source_error(
            file, [Mistake(1, 1, "unreadable-file", f"the file cannot be read: {reason}")]
        ) from None
    if len(data) > MAX_BYTES:
        mistake = decode(data)
        assert isinstance(mistake, Mistake)
        raise _source_error(file, [mistake])
    return data


def read_document(data: bytes, file: str) -> Document:
    """Read a spec file's bytes.

    :param data: the file's bytes
    :param file: the file as problems name it
    :raises SourceError: the bytes are not UTF-8 text, not YAML, or use what a spec may not: duplicate keys,
        anchors, aliases, tags, merge keys, several documents
    """
    text = decode(data)
    if isinstance(text, Mistake):
        raise _source_error(file, [text])
    reader = Reader(text)
    try:
        document = Document(text, reader.read())
    except Unreadable as error:
        raise _source_error(file, [*reader.mistakes, error.mistake]) from None
    if reader.mistakes:
        raise _source_error(file, reader.mistakes, document)
    return document


def _source_error(file: str, mistakes: list[Mistake], document: Document | None = None) -> SourceError:
    return SourceError(tuple(Problem(file, *mistake) for mistake in mistakes), document)
