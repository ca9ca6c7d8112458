"""Whether a text is one query: a SELECT, or WITH … SELECT, that changes nothing.

Source: flow-spec, *sql_assignment* and ``unload``; DMS reference, section 1.4.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from dms_provider.dialects import lexer
from dms_provider.dialects.base import Dialect
from dms_provider.dialects.modes import Mode
from dms_provider.dialects.refusals import RefusedValue
from dms_provider.dialects.sources import Source
from dms_provider.dialects.statements import StatementReader
from dms_provider.variables.references import Text

_SELECT: Final = re.compile(r"\s*SELECT\b", re.IGNORECASE)
# a text that begins with SELECT, has none of these and its quotes in pairs, is one query: no lexer is needed
_NOTABLE: Final = re.compile(
    r"(?:\b|(?<=[0-9]))(?:INTO|FOR|LOCK|INSERT|UPDATE|DELETE|MERGE|TRUNCATE|REPLACE|DELIMITER|TERMINATOR)\b"
    r"|;\s*\S|^\s*/\s*$|/\*|\\|\$",
    re.MULTILINE,
)
# MySQL reads 1.5INTO and 1e5INTO as a number and a keyword
_NUMBER_IN_FRONT: Final = re.compile(r"\A[0-9]+(?:E[0-9]+)?(?=[A-Z])")
_NOTABLE_PARTS: Final = tuple(
    "INTO FOR LOCK INSERT UPDATE DELETE MERGE TRUNCATE REPLACE DELIMITER TERMINATOR ; / \\ $".split()  # noqa: SIM905  # shorter
)
_CHANGES: Final = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "REPLACE"})
_STATEMENTS: Final = _CHANGES | {"SELECT", "VALUES", "TABLE", "CALL", "UPSERT"}
_OTHER_STATEMENTS: Final = frozenset(
    {
        "ALTER",
        "BACKUP",
        "BEGIN",
        "BULK",
        "COMMIT",
        "CREATE",
        "DBCC",
        "DECLARE",
        "DENY",
        "DROP",
        "EXEC",
        "EXECUTE",
        "GO",
    }
    | {
        "GRANT",
        "IF",
        "KILL",
        "PRINT",
        "RAISERROR",
        "RESTORE",
        "REVOKE",
        "ROLLBACK",
        "SAVE",
        "SET",
        "SHUTDOWN",
        "USE",
    }
    | {"WAITFOR", "WHILE"}
)
_SET_OPERATIONS: Final = frozenset({"UNION", "ALL", "DISTINCT", "EXCEPT", "INTERSECT", "MINUS"})
_LOCKS: Final = frozenset({"UPDATE", "SHARE", "NO", "KEY"})
_UNIMPORTANT: Final = frozenset({lexer.COMMENT, lexer.EXECUTABLE, lexer.EXECUTABLE_END})


def is_query(text: Text, dialect: Dialect, mode: Mode | None = None) -> bool:
    """Return whether a text is one SELECT, or WITH … SELECT, that changes and locks nothing."""
    return query_problem(text, dialect, mode) is None


def query_problem(text: Text, dialect: Dialect, mode: Mode | None = None) -> str | None:
    """Return why a text is not one query that changes and locks nothing.

    :param text: author's text and data references, whatever their data
    :param mode: of the session; default: the dialect's own
    :return: what is wrong with it, behind "this"; ``None``: nothing is
    """
    if not dialect.batches and _is_plain_select(Source(text).text):
        return None
    reader = StatementReader(dialect, text)
    try:
        statement, further = reader.next(mode), reader.next(mode)
    except RefusedValue as refused:
        return f"holds data that could not be accepted: {refused}"
    if statement is None:
        return "holds no statement"
    if further is not None:
        return f"holds more than one statement; the second is in line {further.line}"
    source = Source(statement.text).text
    tokens = [
        (kind, _NUMBER_IN_FRONT.sub("", source[start:end].upper(), count=1) if kind == lexer.WORD else "")
        for kind, start, end in dialect.lexicon(mode).tokens(source)
        if kind not in _UNIMPORTANT
    ]
    if any(kind == lexer.UNTERMINATED for kind, _ in tokens):
        return "holds a quote or comment that does not end"
    return _beginning_problem(tokens) or _content_problem(tokens, dialect)


def _is_plain_select(text: str) -> bool:
    if not _SELECT.match(text) or any(text.count(quote) % 2 for quote in "'\"`"):
        return False
    capitals = text.upper()
    return not any(part in capitals for part in _NOTABLE_PARTS) or not _NOTABLE.search(capitals)


def _beginning_problem(tokens: Sequence[tuple[str, str]]) -> str | None:
    begin = next((i for i, (kind, _) in enumerate(tokens) if kind != lexer.OPEN), len(tokens) - 1)
    word = tokens[begin][1]
    if word == "SELECT":
        return None
    if word != "WITH":
        return f"begins with {word or 'no keyword'}, not with SELECT or WITH"
    depth = 0
    for position, (kind, word) in enumerate(tokens[begin:], begin):
        if kind == lexer.OPEN:
            if depth == 0 and tokens[position - 1][0] == lexer.CLOSE:
                return _beginning_problem(tokens[position:])
            depth += 1
        elif kind == lexer.CLOSE:
            depth -= 1
        elif depth == 0 and word in ("FUNCTION", "PROCEDURE"):
            return f"begins with WITH {word}, not with WITH … SELECT"
        elif depth == 0 and word in _STATEMENTS:
            return None if word == "SELECT" else f"begins with WITH … {word}, not with WITH … SELECT"
    return "begins with WITH, but no SELECT follows"


def _content_problem(tokens: Sequence[tuple[str, str]], dialect: Dialect) -> str | None:
    depth = 0
    selects = 0
    before = ("", "")
    for position, (kind, word) in enumerate(tokens):
        behind = tokens[position + 1] if position + 1 < len(tokens) else ("", "")
        if kind == lexer.OPEN:
            depth += 1
        elif kind == lexer.CLOSE:
            depth -= 1
        elif word == "INTO":
            return "writes its result somewhere (INTO)"
        elif word == "FOR" and behind[1] in _LOCKS:
            return f"locks rows (FOR {behind[1]})"
        elif word == "LOCK" and behind[1] == "IN":
            return "locks rows (LOCK IN SHARE MODE)"
        elif word in _CHANGES and behind[0] != lexer.OPEN and (before[0] == lexer.OPEN or dialect.batches):
            return f"changes data ({word})"
        elif dialect.batches and depth == 0:
            if word in _OTHER_STATEMENTS and behind[0] != lexer.OPEN:
                return f"holds another statement ({word})"
            selects += word == "SELECT" and before[1] not in _SET_OPERATIONS
            if selects > 1:
                return "holds more than one SELECT"
        before = (kind, word)
    return None
