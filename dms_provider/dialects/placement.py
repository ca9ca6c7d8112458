"""Where in a statement data stands, decided by lexing the statement before any value is in it.

Source: flow-spec, *Variables*, the table of places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_letters, digits
from typing import Final, Literal

from dms_provider.dialects import lexer
from dms_provider.dialects.base import Dialect
from dms_provider.dialects.modes import Mode
from dms_provider.dialects.sources import PLACEHOLDER, Source

PlaceKind = Literal["literal", "code", "identifier", "bare", "comment", "forbidden"]

_TOUCHING: Final = frozenset(ascii_letters + digits + "_.$@#")
_OPEN_BACKSLASH: Final = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")
_OPEN_ESCAPE: Final = re.compile(
    r"(?<!\\)(?:\\\\)*\\(?:[0-7]{0,2}|x[0-9A-Fa-f]?|u[0-9A-Fa-f]{0,3}|U[0-9A-Fa-f]{0,7})\Z"
)
_QUOTED: Final = frozenset({lexer.STRING, lexer.NATIONAL})
_PLAIN_LITERAL: Final = "put it into a plain literal '${…}' of its own"
_AS_WORD: Final = "write the name in full, or put the value into a plain literal '${…}'"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one data reference stands.

    :param kind: what decides which values are accepted: a plain literal; code in a literal or in a body; an
        identifier; bare; a comment; nowhere that data may stand
    :param token: kind of the token that it stands in
    :param quote: the quote of a literal, or the first character of a quoted identifier
    :param in_body: it stands in the body of a routine or block as well
    :param where: for messages, behind "is not accepted"
    :param remedy: for messages
    """

    kind: PlaceKind
    token: str
    where: str
    remedy: str
    quote: str = ""
    in_body: bool = False


def places(source: Source, dialect: Dialect, mode: Mode) -> list[Place]:
    """Return the place of each data reference of a statement, in their order.

    :param source: one statement
    :param mode: of the session that will execute it
    """
    tokens = list(dialect.lexicon(mode).tokens(source.text))
    words = keywords(tokens, source.text)
    statement = _Statement(source, dialect, mode)
    if words:
        statement.in_body = _has_body(words, dialect)
        statement.nests_code = dialect.nests_code(words)
    return list(statement.places(tokens))


def keywords(tokens: Sequence[lexer.Token], text: str) -> list[str]:
    """Return the unquoted words of a statement, in capitals."""
    return [text[start:end].upper() for kind, start, end in tokens if kind == lexer.WORD]


def _has_body(words: Sequence[str], dialect: Dialect) -> bool:
    routine = dialect.splitting.routine
    if routine is None:
        return False
    decided: bool | None = None
    for count in range(1, len(words) + 1):
        decided = routine(words[:count])
        if decided is not None:
            break
    return bool(decided)


class _Statement:
    """The tokens of one statement on the way from its beginning to its end."""

    def __init__(self, source: Source, dialect: Dialect, mode: Mode) -> None:
        self._source = source
        self._dialect = dialect
        self._mode = mode
        self.in_body = False
        self.nests_code = False
        self._inspected = -1
        self._escaped_quote = False

    def places(self, tokens: Sequence[lexer.Token]) -> Iterator[Place]:
        executable = False
        before: lexer.Token = ("", 0, 0)
        for position, token in enumerate(tokens):
            kind, start, end = token
            if kind == lexer.EXECUTABLE:
                executable = True
            elif kind == lexer.EXECUTABLE_END:
                executable = False
            for offset, _ in self._source.references(start, end):
                if executable:
                    yield _forbidden(kind, "in an executable comment /*! */", "move it out of the comment")
                else:
                    yield self._place(token, offset, before, tokens[position + 1 : position + 2])
            if kind != lexer.COMMENT:
                before = token

    def _place(
        self, token: lexer.Token, offset: int, before: lexer.Token, behind: Sequence[lexer.Token]
    ) -> Place:
        kind, start, _ = token
        text = self._source.text
        if kind == lexer.COMMENT:
            if text.startswith(("/*+", "/*!", "--+"), start):
                return _forbidden(kind, "in a hint", "write the hint without data")
            return Place("comment", kind, "in a comment", "")
        if kind in _QUOTED:
            return self._literal(token, offset, before)
        if kind == lexer.ESCAPE_STRING:
            if _OPEN_ESCAPE.search(text, self._behind_last(start, offset), offset):
                return _behind_backslash(kind)
            return self._code(kind, "in a literal E'…'", _PLAIN_LITERAL)
        if kind == lexer.DOLLAR_STRING:
            return self._code(kind, "between dollar quotes", _PLAIN_LITERAL)
        if kind == lexer.IDENTIFIER:
            return Place("identifier", kind, "in a quoted identifier", _AS_WORD, text[start], self.in_body)
        if kind == lexer.WORD:
            return self._word(token, behind)
        if kind == lexer.UNKNOWN_QUOTES:
            return _forbidden(kind, "between double quotes, whose meaning is not known here", _PLAIN_LITERAL)
        if kind == lexer.SPECIAL_STRING:
            return _forbidden(kind, f"in a literal {text[start : start + 2].upper()}…", _PLAIN_LITERAL)
        return _forbidden(kind, "behind a quote or comment that does not end", "end it")

    def _literal(self, token: lexer.Token, offset: int, before: lexer.Token) -> Place:
        kind, start, end = token
        text = self._source.text
        opening = start + (kind == lexer.NATIONAL)
        quote = text[opening]
        word = text[before[1] : before[2]] if before[0] == lexer.WORD else ""
        if self._dialect.introducers:
            if text[start - 1 : start] == "@":
                return Place("identifier", kind, "in a quoted name", _AS_WORD, quote, self.in_body)
            if word.startswith("_"):
                return _forbidden(kind, "in a literal with a character set in front", _PLAIN_LITERAL)
        if word.upper() == "UESCAPE":
            return _forbidden(kind, "behind UESCAPE", "write the character itself")
        if self._mode.backslash_escapes:
            open_escape = _OPEN_ESCAPE if self._dialect.rules.escape_strings else _OPEN_BACKSLASH
            if open_escape.search(text, self._behind_last(opening + 1, offset), offset):
                return _behind_backslash(kind)
        if self._has_escaped_quote(opening, end, quote):
            return self._code(kind, "in a literal with an escaped quote in it", _PLAIN_LITERAL, quote)
        if self.nests_code:
            return self._code(
                kind, "in a literal that holds code", "pass it as a parameter of that code", quote
            )
        if self.in_body:
            return self._code(kind, "in the body of a routine or block", "use a parameter or a table", quote)
        where = "in a national literal" if kind == lexer.NATIONAL else "in a literal"
        return Place("literal", kind, where, "keep such values out of SQL texts", quote)

    def _behind_last(self, start: int, offset: int) -> int:
        """Return where to look for an escape: no escape reaches over the reference before this one."""
        return max(start, self._source.text.rfind(PLACEHOLDER, start, offset) + 1)

    def _has_escaped_quote(self, opening: int, end: int, quote: str) -> bool:
        # a list puts thousands of references into one literal, which is looked at once
        if self._inspected != opening:
            inside = self._source.text[opening + 1 : end - 1]
            escapes = self._mode.backslash_escapes and _has_escaped_quote(inside)
            self._inspected, self._escaped_quote = opening, quote in inside or escapes
        return self._escaped_quote

    def _code(self, kind: str, where: str, remedy: str, quote: str = "") -> Place:
        return Place("code", kind, where, remedy, quote, self.in_body)

    def _word(self, token: lexer.Token, behind: Sequence[lexer.Token]) -> Place:
        kind, start, end = token
        text = self._source.text
        touches = len(self._source.references(start, end)) < end - start or any(
            character in _TOUCHING or not character.isascii()
            for character in (text[start - 1 : start], text[end : end + 1])
        )
        if not touches:
            return Place("bare", kind, "outside quotes", "put it into quotes: '${…}'", in_body=self.in_body)
        if self._dialect.introducers and text[start] == "_" and behind and behind[0][0] in _QUOTED:
            return _forbidden(kind, "in the name of a literal's character set", "write the name itself")
        return Place("identifier", kind, "in an identifier", _AS_WORD, in_body=self.in_body)


def _has_escaped_quote(inside: str) -> bool:
    return any(escape[0][1] in "'\"" for escape in re.finditer(r"\\.", inside, re.DOTALL))


def _behind_backslash(kind: str) -> Place:
    return _forbidden(kind, "behind a backslash", "write \\\\ where a backslash is meant")


def _forbidden(kind: str, where: str, remedy: str) -> Place:
    return Place("forbidden", kind, where, remedy)
