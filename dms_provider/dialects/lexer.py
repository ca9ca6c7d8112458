"""The one lexer of all SQL dialects: splitting, the place of data and the checks of statements rest on it.

A dialect is a set of :class:`LexicalRules`; with the mode of a session they become a :class:`Lexicon`, one
regular expression whose groups are the kinds of tokens.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from dms_provider.dialects.modes import Mode
from dms_provider.dialects.sources import PLACEHOLDER

Token = tuple[str, int, int]
"""Kind, start and end of a token in its text."""

WORD: Final = "word"
NUMBER: Final = "number"
STRING: Final = "string"
NATIONAL: Final = "national"
ESCAPE_STRING: Final = "escape_string"
DOLLAR_STRING: Final = "dollar_string"
SPECIAL_STRING: Final = "special_string"
IDENTIFIER: Final = "identifier"
UNKNOWN_QUOTES: Final = "unknown_quotes"
COMMENT: Final = "comment"
EXECUTABLE: Final = "executable"
EXECUTABLE_END: Final = "executable_end"
DELIMITER: Final = "delimiter"
OPEN: Final = "open"
CLOSE: Final = "close"
OPERATOR: Final = "operator"
UNTERMINATED: Final = "unterminated"

_LETTERS: Final = string.ascii_letters
_DIGITS: Final = string.digits


def name_pattern(signs: str = "_$", *, first: str = _LETTERS + "_") -> str:
    """Return the pattern of a name: ASCII letters, digits and signs, and everything beyond ASCII.

    :param signs: that a name may hold beside letters and digits
    :param first: ASCII characters that it may begin with
    """
    return f"{_characters(first)}{_characters(_LETTERS + _DIGITS + signs)}*"


def _characters(allowed: str) -> str:
    # a negated class of ASCII compiles and matches much faster than a class with a range up to U+10FFFF
    return "[^" + "".join(re.escape(chr(code)) for code in range(128) if chr(code) not in allowed) + "]"


WORD_OR_NUMBER: Final = name_pattern(first=_LETTERS + _DIGITS + "_$")
"""Names that may begin with a digit, and numbers, which then are words too."""
LETTER_NAME: Final = name_pattern()
_NESTED: Final = "nested"
_OUTSIDE_DATA: Final = f"(?!{PLACEHOLDER})"
_TAG: Final = (
    rf"(?:{_OUTSIDE_DATA}{_characters(_LETTERS + '_')}"
    rf"(?:{_OUTSIDE_DATA}{_characters(_LETTERS + _DIGITS + '_')})*)?"
)
# what may part 'a' 'b' in PostgreSQL
_LINE_COMMENTS_BETWEEN = r"[ \t\f\v]*(?:--[^\n\r]*)?[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*"
_SPACE: Final = r"[ \t\n\r\f\v]"
_SPACES: Final = re.compile(f"{_SPACE}*")
_NESTED_BOUND = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class LexicalRules:
    """What a dialect's texts are made of, whatever the mode.

    :param word: pattern of a name or keyword
    :param numbers: numbers are tokens of their own; otherwise ``word`` matches them too
    :param line_comments: patterns of a comment that ends with its line
    :param nested_comments: ``/* /* */ */`` is one comment
    :param executable_comments: the content of ``/*! */`` and ``/*M! */`` is code
    :param backticks: ```name``` is a quoted identifier
    :param doubled_brackets: ``]]`` stands for ``]`` in ``[name]``
    :param national: ``N'text'`` is a plain literal
    :param special_prefixes: pattern of what makes a literal something else than text, as in ``x'00'``
    :param escape_strings: ``E'text'`` has backslash escapes in every mode
    :param unicode_strings: ``U&'text'`` and ``U&"name"`` have escapes of their own
    :param dollar_strings: ``$$text$$`` and ``$tag$text$tag$``
    :param alternative_quotes: ``q'[text]'``
    :param continued_strings: literals parted by a line break alone are one literal, with one kind of escapes
    """

    word: str = WORD_OR_NUMBER
    numbers: bool = False
    line_comments: tuple[str, ...] = (r"--[^\n]*",)
    nested_comments: bool = False
    executable_comments: bool = False
    backticks: bool = False
    doubled_brackets: bool = False
    national: bool = False
    special_prefixes: str = ""
    escape_strings: bool = False
    unicode_strings: bool = False
    dollar_strings: bool = False
    alternative_quotes: bool = False
    continued_strings: bool = False


class Lexicon:
    """Cuts texts of one dialect in one mode into tokens. Made by :func:`lexicon`.

    :param delimiter: what ends a statement
    """

    __slots__ = ("_kinds", "_pattern")

    def __init__(self, rules: LexicalRules, mode: Mode, delimiter: str) -> None:
        kinds = [""]
        patterns = []
        for kind, pattern in _alternatives(rules, mode, delimiter):
            # its group behind a token tells its kind and its end, and lets the first characters rule it out
            patterns.append(f"{pattern}()")
            kinds += [kind] * (pattern.count("(?P<") + 1)
        self._kinds = tuple(kinds)
        self._pattern = re.compile(rf"(?:{'|'.join(patterns)}){_SPACE}*", re.DOTALL)

    def tokens(self, text: str, start: int = 0) -> Iterator[Token]:
        """Yield the tokens of ``text`` from ``start``, without white space; every other character is in one.

        :param start: must not lie within a token
        """
        kinds, finditer = self._kinds, self._pattern.finditer
        size = len(text)
        start = _SPACES.match(text, start).end()  # type: ignore[union-attr]  # it matches nothing, too
        while start < size:
            for match in finditer(text, start):
                index: int = match.lastindex  # type: ignore[assignment]  # every alternative has a group
                if kinds[index] is _NESTED:
                    start, terminated = _end_of_nested_comment(text, match.start())
                    yield COMMENT if terminated else UNTERMINATED, match.start(), start
                    start = _SPACES.match(text, start).end()  # type: ignore[union-attr]  # as above
                    break
                yield kinds[index], match.start(), match.end(index)
            else:
                return


@lru_cache(maxsize=64)
def lexicon(rules: LexicalRules, mode: Mode, delimiter: str = ";") -> Lexicon:
    """Return the lexer of a dialect in a mode.

    :param delimiter: what ends a statement, for example ``//`` behind ``DELIMITER //``
    """
    return Lexicon(rules, mode, delimiter)


def _alternatives(rules: LexicalRules, mode: Mode, delimiter: str) -> Iterator[tuple[str, str]]:
    plain = _quoted("'", mode.backslash_escapes)
    word = rules.word
    if delimiter != ";":
        yield (DELIMITER, re.escape(delimiter))
        word = rf"(?:(?!{re.escape(delimiter)}){_characters(_LETTERS + _DIGITS + '_$')})+"
    if rules.national:
        yield (NATIONAL, rf"[nN]{plain}")
    if rules.escape_strings:
        escaped = _quoted("'", True)
        yield (ESCAPE_STRING, rf"[eE]{_continued(escaped) if rules.continued_strings else escaped}")
    yield from ((SPECIAL_STRING, pattern) for pattern in _special_strings(rules, mode))
    yield (WORD, word)
    if rules.numbers:
        yield (NUMBER, r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
        yield (NUMBER, r"\.[0-9]+(?:[eE][+-]?[0-9]+)?")
    yield (OPERATOR, "[,.=]")
    yield (STRING, _continued(plain) if rules.continued_strings else plain)
    yield (OPEN, r"\(")
    yield (CLOSE, r"\)")
    if delimiter == ";":
        yield (DELIMITER, ";")
    if mode.double_quotes == "literal":
        yield (STRING, _quoted('"', mode.backslash_escapes))
    yield from ((IDENTIFIER, pattern) for pattern in _identifiers(rules, mode))
    if mode.double_quotes == "unknown":
        yield (UNKNOWN_QUOTES, _quoted('"', mode.backslash_escapes))
    yield from ((COMMENT, pattern) for pattern in rules.line_comments)
    yield (COMMENT, _block_comment(rules))
    if rules.executable_comments:
        yield (EXECUTABLE, r"/\*M?![0-9]*")
        yield (EXECUTABLE_END, r"\*/")
    if rules.nested_comments:
        yield (_NESTED, r"/\*")
    if rules.dollar_strings:
        yield (DOLLAR_STRING, rf"\$(?P<tag>{_TAG})\$.*?\$(?P=tag)\$")
        yield (UNTERMINATED, rf"\${_TAG}\$.*")
    yield (UNTERMINATED, rf"[{_opening_quotes(rules, mode)}].*")
    yield (UNTERMINATED, r"/\*.*")
    yield (OPERATOR, ".")


def _opening_quotes(rules: LexicalRules, mode: Mode) -> str:
    return "'\"" + ("`" if rules.backticks else "") + (r"\[" if mode.brackets else "")


def _special_strings(rules: LexicalRules, mode: Mode) -> Iterator[str]:
    if rules.special_prefixes:
        yield rf"{rules.special_prefixes}{_quoted(chr(39), mode.backslash_escapes)}"
    if rules.unicode_strings:
        yield rf"[uU]&{_continued(_quoted(chr(39), False))}"
        yield rf"[uU]&{_quoted(chr(34), False)}"
    if rules.alternative_quotes:
        pairs = r"\[.*?\]'|\{.*?\}'|\(.*?\)'|<.*?>'"
        yield rf"[nNqQ][qQ]?(?<=[qQ])'(?:{pairs}|(?P<quote>[^\[{{(<\s]).*?(?P=quote)')"


def _identifiers(rules: LexicalRules, mode: Mode) -> Iterator[str]:
    if mode.double_quotes == "identifier":
        yield _quoted('"', False)
    if rules.backticks:
        yield _quoted("`", False)
    if mode.brackets:
        yield r"\[[^\]]*(?:\]\][^\]]*)*\](?!\])" if rules.doubled_brackets else r"\[[^\]]*\]"


def _block_comment(rules: LexicalRules) -> str:
    if rules.nested_comments:
        return r"/\*[^*/]*(?:(?:\*(?!/)|/(?!\*))[^*/]*)*\*/"
    return r"/\*(?!M?!).*?\*/" if rules.executable_comments else r"/\*.*?\*/"


def _quoted(quote: str, backslash_escapes: bool) -> str:
    if backslash_escapes:
        return rf"{quote}[^{quote}\\]*(?:(?:\\.|{quote}{quote})[^{quote}\\]*)*{quote}(?!{quote})"
    return rf"{quote}[^{quote}]*(?:{quote}{quote}[^{quote}]*)*{quote}(?!{quote})"


def _continued(literal: str) -> str:
    return rf"{literal}(?:{_LINE_COMMENTS_BETWEEN}{literal})*"


def _end_of_nested_comment(text: str, start: int) -> tuple[int, bool]:
    depth = 0
    for bound in _NESTED_BOUND.finditer(text, start):
        depth += 1 if bound[0] == "/*" else -1
        if not depth:
            return bound.end(), True
    return len(text), False
