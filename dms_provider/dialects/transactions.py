"""Which statements cannot be part of a transaction that the node itself opens and ends.

Source: flow-spec, *single_instance_sql*, ``transaction``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dms_provider.dialects import lexer
from dms_provider.dialects.base import Dialect
from dms_provider.dialects.modes import Mode
from dms_provider.dialects.sources import Source
from dms_provider.variables.references import Text


def commits_by_itself(statement: Text, dialect: Dialect, mode: Mode | None = None) -> str | None:
    """Return the words by which a statement commits, ends the transaction, or cannot be in one.

    The content of an executable comment counts as code and as nothing: the server's version tells which.

    :param statement: one statement
    :param mode: of the session; default: the dialect's own
    :return: for example ``CREATE TABLE``; ``None`` where the statement can be undone
    """
    text = Source(statement).text
    tokens = list(dialect.lexicon(mode).tokens(text))
    for words in _readings(tokens, text):
        if words and (found := dialect.commits(words)):
            return found
    return None


def _readings(tokens: Sequence[lexer.Token], text: str) -> Iterator[list[str]]:
    everything: list[str] = []
    outside: list[str] = []
    executable = False
    for kind, start, end in tokens:
        if kind == lexer.EXECUTABLE:
            executable = True
        elif kind == lexer.EXECUTABLE_END:
            executable = False
        elif kind == lexer.DELIMITER:
            yield everything
            yield outside
            everything, outside = [], []
        elif kind == lexer.WORD:
            word = text[start:end].upper()
            everything.append(word)
            if not executable:
                outside.append(word)
    yield everything
    yield outside
