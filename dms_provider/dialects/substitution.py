"""Data into a statement, so that it never changes what stands around it.

Source: flow-spec, *Variables*, the table of places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dms_provider.dialects import lexer
from dms_provider.dialects.base import Dialect
from dms_provider.dialects.modes import Mode, Repertoire
from dms_provider.dialects.placement import Place, places
from dms_provider.dialects.refusals import RefusedValue
from dms_provider.dialects.safety import misplaced, same_shape
from dms_provider.dialects.sources import Source
from dms_provider.variables.output_types import MAX_DIGITS, is_identifier, is_number
from dms_provider.variables.references import DataReference, Text
from dms_provider.variables.values import Data

MAX_DATA_BYTES: Final = 1024 * 1024
"""Of data in the literals of one statement, in UTF-8."""

_CODE: Final = re.compile(r"[A-Za-z0-9_.:-]*")
_JOINED_LINES: Final = re.compile(r"\\\r?\n")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LAST: Final = {"unicode": "\U0010ffff", "bmp": "\uffff", "ascii": "\x7f"}
_SHORTER: Final = "shorten it, or move it through a table instead of a variable"


@dataclass(frozen=True, slots=True)
class Piece:
    """One value at its place in the final statement.

    :param rendered: what takes the reference's place
    :param harmless: what would take it for a value that cannot do harm
    """

    reference: DataReference
    value: str
    place: Place
    rendered: str
    harmless: str


def substitute(statement: Text, dialect: Dialect, mode: Mode | None = None) -> str:
    """Put the data into one statement.

    :param statement: author's text and data references
    :param mode: how the session that will execute it reads SQL at this moment; default: the dialect's own
    :return: the SQL text
    :raises RefusedValue: a value may not stand where its reference stands
    """
    if not any(isinstance(part, DataReference) for part in statement):
        return "".join(part for part in statement if isinstance(part, str))
    mode = mode or dialect.default_mode
    pieces = _pieces(statement, dialect, mode)
    _check_size(pieces)
    final, harmless = _Built(pieces), _Built(pieces, harmless=True)
    for (start, end), piece in zip(final.spans, final.values, strict=True):
        if piece.place.kind == "code" and "--" in final.text[max(start - 1, 0) : end + 1]:
            raise _refused(piece, f"{piece.place.where} beside a minus, as it would begin a comment")
        if dialect.joined_lines and _joins_lines(final.text, start, end):
            raise _refused(
                piece, f"{piece.place.where}, as {dialect.name} takes out a backslash before a new line"
            )
    places_of_values = [piece.place for piece in harmless.values]
    wrong = misplaced(harmless.text, harmless.spans, places_of_values, dialect, mode)
    if wrong is not None:
        raise _refused(
            harmless.values[wrong], "here, as the text around it changes its meaning beside a value"
        )
    if not same_shape(final, harmless, dialect, mode):
        raise _refused(final.values[0], "here, as the statement would become another one")
    return final.text


def refused_places(
    text: Text, dialect: Dialect, mode: Mode | None = None
) -> Iterator[tuple[int, RefusedValue]]:
    """Yield the data references of a script that stand where no value is accepted.

    :param text: author's text and data references, whatever their data
    :param mode: of the session; default: the dialect's own
    :return: index of the reference among the data references of ``text``, and what is wrong there
    """
    mode = mode or dialect.default_mode
    references = [part for part in text if isinstance(part, DataReference)]
    indexes = {id(reference): index for index, reference in enumerate(references)}
    if not references:
        return
    try:
        statements = list(dialect.split(text, mode))
    except RefusedValue as refused:
        yield next(i for i, reference in enumerate(references) if reference.name == refused.name), refused
        return
    for statement in statements:
        source = Source(statement.text)
        found = [part for part in statement.text if isinstance(part, DataReference)]
        for reference, place in zip(found, places(source, dialect, mode), strict=True):
            if place.kind == "forbidden":
                yield indexes[id(reference)], RefusedValue(reference.name, place.where, place.remedy)


class _Built:
    """A text built of its pieces.

    :param harmless: with harmless values instead of the real ones
    """

    def __init__(self, pieces: Sequence[str | Piece], *, harmless: bool = False) -> None:
        parts: list[str] = []
        self.spans: list[tuple[int, int]] = []
        self.values: list[Piece] = []
        offset = 0
        for piece in pieces:
            part = piece if isinstance(piece, str) else piece.harmless if harmless else piece.rendered
            if isinstance(piece, Piece):
                self.spans.append((offset, offset + len(part)))
                self.values.append(piece)
            parts.append(part)
            offset += len(part)
        self.text = "".join(parts)


def _pieces(statement: Text, dialect: Dialect, mode: Mode) -> list[str | Piece]:
    source = Source(statement)
    _check_author_text(source, dialect, mode)
    whole = places(source, dialect, mode)
    parts, origins = _expanded(statement, whole)
    if len(parts) != len(statement):
        _check_combiners(statement, parts, dialect, mode)
    single = places(Source(parts), dialect, mode)
    pieces: list[str | Piece] = []
    position = 0
    for part in parts:
        if isinstance(part, str):
            pieces.append(part)
            continue
        place, origin = single[position], whole[origins[position]]
        position += 1
        if place.kind == "comment" and origin.kind == "comment":
            pieces.append(f"${{{part.name}}}")
            continue
        if place.kind == "forbidden":
            raise RefusedValue(part.name, place.where, place.remedy)
        if place != origin:
            raise RefusedValue(
                part.name,
                f"{origin.where}, as its combiner {part.data.combiner!r} leaves that place",
                origin.remedy,
            )
        pieces.append(_piece(part, place, mode, dialect))
    return pieces


def _expanded(statement: Text, whole: Sequence[Place]) -> tuple[Text, list[int]]:
    """Return the statement with a reference for each element of a list, and the index of what it was."""
    parts: list[str | DataReference] = []
    origins: list[int] = []
    index = -1
    for part in statement:
        if isinstance(part, str):
            parts.append(part)
            continue
        index += 1
        if whole[index].kind == "comment":
            parts.append(part)
            origins.append(index)
            continue
        if not part.data.elements:
            raise RefusedValue(part.name, whole[index].where, "give its output an if_empty", "")
        for number, element in enumerate(part.data.elements):
            if number:
                parts.append(part.data.combiner or "")
            parts.append(DataReference(part.name, Data((element,), part.data.combiner, part.data.type)))
            origins.append(index)
    return tuple(parts), origins


def _check_combiners(statement: Text, expanded: Text, dialect: Dialect, mode: Mode) -> None:
    ends = [
        sum(kind == lexer.DELIMITER for kind, _, _ in dialect.lexicon(mode).tokens(Source(text).text))
        for text in (statement, expanded)
    ]
    if ends[0] != ends[1]:
        first = next(part for part in statement if isinstance(part, DataReference) and part.data.is_list)
        raise RefusedValue(
            first.name,
            "here, as its combiner ends the statement",
            "use a combiner without it",
            first.data.text,
        )


def _piece(reference: DataReference, place: Place, mode: Mode, dialect: Dialect) -> Piece:
    element = reference.data.elements[0]
    value = element or ""
    accepted = True
    rendered, harmless = value, "a"
    if place.kind == "bare":
        accepted = element is None or is_number(value)
        rendered, harmless = f" {'NULL' if element is None else value} ", " 0 "
    elif place.kind == "identifier":
        accepted = is_identifier(value)
        harmless = "0" if value.isdigit() else "a"
    elif place.kind == "code":
        accepted = bool(_CODE.fullmatch(value)) and "--" not in value
    else:
        if mode.backslash_escapes:
            rendered = rendered.replace("\\", "\\\\")
        rendered = rendered.replace(
            place.quote, ("\\" if dialect.backslashed_quotes else place.quote) + place.quote
        )
    piece = Piece(reference, value, place, rendered, harmless)
    if not accepted:
        raise _refused(piece, f"{place.where} ({_ACCEPTED[place.kind]})")
    if place.kind == "literal":
        _check_literal(piece, mode, dialect)
    return piece


_ACCEPTED: Final = {
    "bare": f"a number of at most {MAX_DIGITS} digits, or NULL",
    "identifier": "1 to 64 of A-Z a-z 0-9 _",
    "code": "A-Z a-z 0-9 _ . : and single -",
}


_OTHER_LITERAL: Final = {True: "write '…' instead of N'…'", False: "write N'…' instead of '…'"}


def _check_literal(piece: Piece, mode: Mode, dialect: Dialect) -> None:
    if "\x00" in piece.value:
        raise _refused(piece, f"{piece.place.where} (it has the character NUL)")
    if not mode.known and "\\" in piece.value:
        raise _refused(piece, f"{piece.place.where}, as what a backslash means in this session is not known")
    national = piece.place.token == lexer.NATIONAL
    kept = dialect.national_repertoire if national else dialect.plain_repertoire
    for repertoire in (mode.repertoire, kept):
        if beyond := _beyond(piece.value, repertoire):
            raise _refused(
                piece,
                f"{piece.place.where}, as {beyond!a} would not reach the server as it is",
                _OTHER_LITERAL[national]
                if repertoire is kept
                else "set the session's character set to UTF-8",
            )


def _beyond(value: str, repertoire: Repertoire) -> str | None:
    if value.isascii():
        return None
    surrogate = _SURROGATE.search(value)
    if surrogate:
        return surrogate[0]
    return max(value) if max(value) > _LAST[repertoire] else None


def _joins_lines(text: str, start: int, end: int) -> bool:
    """Return whether a value, alone or with what stands beside it, has a backslash before a new line."""
    return any(
        found.start() < end and found.end() > start
        for found in _JOINED_LINES.finditer(text, max(start - 2, 0), end + 2)
    )


def _check_author_text(source: Source, dialect: Dialect, mode: Mode) -> None:
    ((_, first), *_) = source.references(0, len(source.text))
    text = "".join(part for part in source.cut(0, len(source.text)) if isinstance(part, str))
    if "\x00" in text:
        raise RefusedValue(first.name, "in a text with the character NUL", "remove that character")
    if mode.merging_bytes and not text.isascii():
        raise RefusedValue(
            first.name,
            "in a text with letters beyond ASCII in this session's character set",
            "set the session's character set to UTF-8",
        )
    if not mode.known and "\\" in text:
        raise RefusedValue(
            first.name,
            "beside backslashes in a session whose SQL mode is not known",
            "write it without backslashes",
        )
    if dialect.rules.executable_comments and _end_depends_on_version(source.text, dialect, mode):
        raise RefusedValue(
            first.name,
            "in a statement with an executable comment that ends elsewhere on another version",
            "write that comment without quotes, comments and */ in it",
        )


def _end_depends_on_version(text: str, dialect: Dialect, mode: Mode) -> bool:
    if "/*!" not in text and "/*M!" not in text and "/*+" not in text:
        return False
    expected = -1
    for kind, start, end in dialect.lexicon(mode).tokens(text):
        if kind == lexer.EXECUTABLE:
            if expected >= 0:
                return True
            expected = text.find("*/", end)
            if expected < 0:
                return True
        elif kind == lexer.EXECUTABLE_END:
            if start != expected:
                return True
            expected = -1
        elif kind == lexer.COMMENT and text.startswith("/*+", start):
            if any(text.count(quote, start, end) % 2 for quote in "'\"`"):
                return True
        elif expected >= 0 and not start < expected:
            return True
    return expected >= 0


def _check_size(pieces: Sequence[str | Piece]) -> None:
    size = 0
    for piece in pieces:
        if isinstance(piece, Piece):
            size += len(piece.value.encode("utf-8", "surrogatepass"))
            if size > MAX_DATA_BYTES:
                where = f"{piece.place.where}, as the data of one statement would exceed 1 MiB"
                raise _refused(piece, where, _SHORTER)


def _refused(piece: Piece, where: str, remedy: str | None = None) -> RefusedValue:
    return RefusedValue(piece.reference.name, where, remedy or piece.place.remedy, piece.value)
