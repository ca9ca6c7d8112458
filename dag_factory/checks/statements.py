"""What can be said of SQL before anybody knows the database: only what holds in every dialect.

Source: flow-spec, *Node types* (one query) and *Variables* (places where no data may stand).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dag_factory.checks.texts import NodeText
from dag_factory.diagnostics import Finding
from dms_provider.variables.references import (
    DataReference,
    Reference,
    ReferenceSyntaxError,
    Segments,
    Text,
    parse_references,
)
from dms_provider.variables.values import Data

if TYPE_CHECKING:
    from dag_factory.spec.nodes import Node
    from dms_provider.dialects import Dialect

_PLAINLY_A_QUERY = re.compile(r"\s*SELECT\b(?!.*(?:;|\bINTO\b|\bFOR\b))", re.IGNORECASE | re.DOTALL)
_PLAINLY_BALANCED = re.compile(r"[^()\[\]'\"`;/#$\\-]*")
_BEGINS_A_STATEMENT = re.compile(r"\s*[A-Za-z(]")
_AUTHOR = "0"
"""Stands for the author's text in a probe: part of a literal, a name or a number, wherever it is put."""
_DATA = Data(("1",))
"""Stands for data of which nothing is known."""


class ReadingLimit:
    """How much SQL of one flow is read before anybody knows the database.

    Reading costs microseconds a sign and dialect. What is above the limit is left to the node, which reads
    it in the one dialect of its database.
    """

    MAX_CHARACTERS = 64 * 1024
    """Of one text."""
    MAX_ALL_CHARACTERS = 1024 * 1024
    """Of all texts in all dialects; each text of a spec could be read once."""

    def __init__(self) -> None:
        self._left = self.MAX_ALL_CHARACTERS

    def dialects(self, text: str) -> Iterator[Dialect]:
        """Yield the dialects in which a text may be read.

        :raises TooMuchToRead: it may be read in no more
        """
        from dms_provider.dialects import all_dialects

        for dialect in all_dialects():
            self._left -= len(text)
            if len(text) > self.MAX_CHARACTERS or self._left < 0:
                raise TooMuchToRead
            yield dialect


class TooMuchToRead(Exception):
    """Whether a text is good must be left to the node."""


def check_sql(text: NodeText, node: Node, limit: ReadingLimit) -> Iterator[Finding]:
    """Yield a finding for SQL that has no statement, or must be one query and is none in any dialect.

    :param node: the node that the text belongs to
    """
    try:
        if not node.one_query:
            if not _BEGINS_A_STATEMENT.match(text.text) and _has_no_statement(text, limit):
                message = "there is no statement in this text; a comment alone does nothing"
                yield Finding(text.path, "no-statement", message, offset=0)
        elif not _PLAINLY_A_QUERY.match(text.text):
            yield from _not_a_query(text, limit)
    except TooMuchToRead:
        return


def check_places(
    text: NodeText, segments: Segments, data: Sequence[Reference], limit: ReadingLimit
) -> Iterator[Finding]:
    """Yield a finding for data that stands where no dialect accepts any.

    :param segments: of the text
    :param data: those of its references that are data
    """
    if "/*+" not in text.text and "/*!" not in text.text:
        return
    from dms_provider.dialects import refused_places

    probe = _text(segments, data)
    try:
        refused = [dict(refused_places(probe, dialect)) for dialect in limit.dialects(text.text)]
    except TooMuchToRead:
        return
    for index, reference in enumerate(data):
        if all(index in places for places in refused):
            yield Finding(
                text.path,
                "misplaced-data",
                f"${{{reference.name}}} is data, and no data may stand {refused[0][index].place}",
                offset=reference.start,
            )


def check_expression(text: NodeText, limit: ReadingLimit) -> Iterator[Finding]:
    """Yield a finding for a part of a statement, such as ``where``, that would reach beyond its place."""
    if _PLAINLY_BALANCED.fullmatch(text.text):
        return
    from dms_provider.dialects import is_balanced

    try:
        balanced = any(is_balanced((text.text,), dialect) for dialect in limit.dialects(text.text))
    except TooMuchToRead:
        return
    if not balanced:
        yield Finding(
            text.path,
            "wrong-value",
            "this is no balanced expression: a quote or parenthesis is not closed, or a ';' ends it",
        )


def _has_no_statement(text: NodeText, limit: ReadingLimit) -> bool:
    try:
        probe = _text(parse_references(text.text))
    except ReferenceSyntaxError:
        return False
    return all(next(dialect.split(probe), None) is None for dialect in limit.dialects(text.text))


def _not_a_query(text: NodeText, limit: ReadingLimit) -> Iterator[Finding]:
    from dms_provider.dialects import query_problem

    try:
        probe = _text(parse_references(text.text))
    except ReferenceSyntaxError:
        return
    first_problem: str | None = None
    for dialect in limit.dialects(text.text):
        problem = query_problem(probe, dialect)
        if problem is None:
            return
        first_problem = first_problem or problem
    yield Finding(
        text.path,
        "not-a-query",
        f"one SELECT belongs here, or a WITH … SELECT that changes nothing; this {first_problem}",
        offset=_first_statement(text.text, probe),
    )


def _first_statement(text: str, probe: Text) -> int:
    """Return the offset of the first statement: nobody looks for a mistake in the comment above it."""
    from dms_provider.dialects import all_dialects

    first = next(all_dialects()[0].split(probe), None)
    offset = 0
    for _ in range(first.line - 1 if first else 0):
        offset = text.find("\n", offset) + 1
    while offset < len(text) and text[offset] in " \t":
        offset += 1
    return offset


def _text(segments: Segments, data: Sequence[Reference] = ()) -> Text:
    """Return a text with stand-ins: data at the references in ``data``, the author's text at all others."""
    found = {reference.start for reference in data}
    parts: list[str | DataReference] = []
    for segment in segments:
        if isinstance(segment, Reference) and segment.start in found:
            parts.append(DataReference(segment.name, _DATA))
            continue
        part = segment if isinstance(segment, str) else _AUTHOR
        if parts and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    return tuple(parts)
