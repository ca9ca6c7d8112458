"""The independent check of a finished statement: its tokens are those that it has with harmless values."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, Protocol

from dms_provider.dialects import lexer
from dms_provider.dialects.base import Dialect
from dms_provider.dialects.modes import Mode
from dms_provider.dialects.placement import Place

Span = tuple[int, int]

_ODD_NUMBER: Final = re.compile(r"[0-9]+[eE][0-9]*|0[xXbBoO][0-9A-Fa-f]*|.*[0-9][eE][+-]?[0-9]+")
_RESERVED: Final = frozenset(
    """
    ALL ALTER ANALYZE AND ANY AS ASC ATOMIC BEGIN BETWEEN BINARY BY CALL CASE CAST COLLATE COMMIT CREATE
    CROSS CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER DECLARE DEFAULT DELETE DELIMITER DESC
    DISTINCT DIV DO DROP DUMPFILE ELSE END ESCAPE EXCEPT EXEC EXECUTE EXISTS FALSE FETCH FOR FROM FULL
    FUNCTION GO GRANT GROUP HAVING IF IN INNER INSERT INTERSECT INTERVAL INTO IS ISNULL JOIN LATERAL
    LEFT LIKE LIMIT LOAD LOCK LOOP MERGE MINUS MOD NATURAL NOT NOTNULL NULL OFFSET ON OR ORDER OUTER
    OUTFILE PREPARE PRIMARY PROCEDURE REGEXP RENAME REPEAT REPLACE RETURN RETURNING REVOKE RIGHT RLIKE
    ROLLBACK SELECT SET SIMILAR SOME TABLE THEN TO TRIGGER TRUE TRUNCATE UESCAPE UNION UPDATE USING
    VALUES WHEN WHERE WHILE WINDOW WITH XOR
    """.split()  # noqa: SIM905  # a hundred lines for a hundred words say no more
)


class Finished(Protocol):
    """A statement with values in it, and where they are."""

    text: str
    spans: list[Span]


def misplaced(
    text: str, spans: Sequence[Span], places: Sequence[Place], dialect: Dialect, mode: Mode
) -> int | None:
    """Return the index of the first harmless value that does not stand in the kind of token that its
    reference stood in; ``None`` where all do.

    :param spans: of the values in ``text``, in their order, with the place of each
    """
    number = 0
    for token in dialect.lexicon(mode).tokens(text):
        while number < len(spans) and spans[number][0] < token[2]:
            if not _stands_in(token, spans[number], places[number]):
                return number
            number += 1
    return number if number < len(spans) else None


def _stands_in(token: lexer.Token, span: Span, place: Place) -> bool:
    kind, begin, behind = token
    start, end = span
    if place.kind == "bare":
        return kind in (lexer.WORD, lexer.NUMBER) and start < begin and behind < end
    if place.token == lexer.WORD:
        return kind in (lexer.WORD, lexer.NUMBER) and begin <= start and end <= behind
    return kind == place.token and begin < start and end < behind


def same_shape(final: Finished, harmless: Finished, dialect: Dialect, mode: Mode) -> bool:
    """Return whether two texts have the same tokens outside the values, and are as many statements."""
    if _shape(final.text, final.spans, dialect, mode) != _shape(harmless.text, harmless.spans, dialect, mode):
        return False
    return _count(final.text, dialect, mode) == _count(harmless.text, dialect, mode)


def _count(text: str, dialect: Dialect, mode: Mode) -> int:
    return sum(1 for _ in dialect.split((text,), mode))


def _shape(text: str, spans: Sequence[Span], dialect: Dialect, mode: Mode) -> list[tuple[str, str | int]]:
    starts = [start for start, _ in spans]
    shape: list[tuple[str, str | int]] = []
    for kind, begin, behind in dialect.lexicon(mode).tokens(text):
        last = bisect_right(starts, behind - 1) - 1
        if last < 0 or spans[last][1] <= begin:
            shape.append((kind, text[begin:behind]))
        elif spans[last][0] < begin and behind < spans[last][1]:  # bare, between its two spaces
            if not shape or shape[-1] != ("value", last):
                shape.append(("value", last))
        else:
            shape.append((_class(kind, text, begin, behind), last))
    return shape


def _class(kind: str, text: str, begin: int, behind: int) -> str:
    if kind not in (lexer.WORD, lexer.NUMBER):
        return kind
    word = text[begin:behind]
    if _ODD_NUMBER.fullmatch(word):
        return "odd number"
    if word.upper() in _RESERVED and "." not in (text[begin - 1 : begin], text[behind : behind + 1]):
        return "keyword"
    return kind
