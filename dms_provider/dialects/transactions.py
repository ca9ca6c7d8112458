"""Which statements cannot be part of a transaction that the node itself opens and ends.

Source: flow-spec, *single_instance_sql*, ``transaction``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress, product
from typing import Final

from dms_provider.dialects import lexer
from dms_provider.dialects.base import Dialect
from dms_provider.dialects.modes import Mode
from dms_provider.dialects.sources import Source
from dms_provider.variables.references import Text

_MOST_VERSIONS: Final = 6


def commits_by_itself(statement: Text, dialect: Dialect, mode: Mode | None = None) -> str | None:
    """Return the words by which a statement commits, ends the transaction, or cannot be in one.

    The content of an executable comment counts as code and as nothing: the server's version tells which.

    :param statement: one statement
    :param mode: of the session; default: the dialect's own
    :return: for example ``CREATE TABLE``; ``None`` where the statement can be undone
    """
    text = Source(statement).text
    tokens = list(dialect.lexicon(mode).tokens(text))
    versions = sorted({text[start:end] for kind, start, end in tokens if kind == lexer.EXECUTABLE})
    if len(versions) > _MOST_VERSIONS:
        return f"executable comments for {len(versions)} versions"
    for executed in product((True, False), repeat=len(versions)):
        skipped = frozenset(compress(versions, executed))
        for words in _statements(tokens, text, skipped):
            if words and (found := dialect.commits(words)):
                return found
    return None


def _statements(tokens: Sequence[lexer.Token], text: str, skipped: frozenset[str]) -> Iterator[list[str]]:
    """Yield the words of each statement, to a server that skips some executable comments."""
    words: list[str] = []
    is_comment = False
    for kind, start, end in tokens:
        if kind == lexer.EXECUTABLE:
            is_comment = text[start:end] in skipped
        elif kind == lexer.EXECUTABLE_END:
            is_comment = False
        elif is_comment:
            continue
        elif kind == lexer.DELIMITER:
            yield words
            words = []
        elif kind == lexer.WORD:
            words.append(text[start:end].upper())
        elif kind == lexer.IDENTIFIER and words[:1] == ["SET"]:
            words.append(text[start + 1 : end - 1].upper())
    yield words
