"""SQL Server."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters
from typing import Final

from dms_provider.dialects.aggregates import Aggregates
from dms_provider.dialects.base import Dialect
from dms_provider.dialects.lexer import LexicalRules, name_pattern
from dms_provider.dialects.modes import Mode, as_text
from dms_provider.dialects.statements import SplittingRules

_ENDS_TRANSACTION: Final = frozenset({"COMMIT", "ROLLBACK", "TRAN", "TRANSACTION", "BACKUP", "RESTORE"})
_CODE: Final = frozenset({"EXEC", "EXECUTE", "SP_EXECUTESQL", "OPENQUERY", "OPENROWSET"})


def _read_mode(row: Sequence[object]) -> Mode:
    return Mode(double_quotes="identifier" if as_text(row[0]) == "1" else "literal", brackets=True)


def _is_routine(words: Sequence[str]) -> bool | None:
    if words[0] not in ("CREATE", "ALTER") or len(words) > 4:
        return False
    if words[-1] in ("PROC", "PROCEDURE", "FUNCTION", "TRIGGER"):
        return True
    return None if words[-1] in ("CREATE", "ALTER", "OR") else False


def _commits(words: Sequence[str]) -> str | None:
    for before, word in zip(("", *words), words, strict=False):
        if word in _ENDS_TRANSACTION:
            return word
        if word == "DATABASE" and before in ("CREATE", "ALTER", "DROP"):
            return f"{before} {word}"
    return None


MSSQL: Final = Dialect(
    name="SQL Server",
    rules=LexicalRules(
        word=name_pattern("_@#$", first=ascii_letters + "_@#"),
        numbers=True,
        nested_comments=True,
        doubled_brackets=True,
        national=True,
    ),
    splitting=SplittingRules(semicolons=False, go_lines=True, routine=_is_routine),
    default_mode=Mode(brackets=True),
    mode_query="SELECT CAST(SESSIONPROPERTY('QUOTED_IDENTIFIER') AS int)",
    read_mode=_read_mode,
    mode_characters='"',
    commits=_commits,
    nests_code=lambda words: not _CODE.isdisjoint(words),
    plain_repertoire="ascii",
    batches=True,
    joined_lines=True,
    identifier_quotes="[]",
    first_row=("SELECT TOP 1", "ORDER BY {order}"),
    aggregates=Aggregates(
        count="COUNT_BIG",
        sum="SUM({c} + CAST(0 AS decimal(1, 0)))",
        stddev="STDEVP({c})",
        # LEN() does not count spaces at the end
        length="LEN(CAST({c} AS nvarchar(max)) + N'x') - 1",
        quotes=("N'", "'"),
        now="SYSDATETIME()",
        some_rows="SELECT TOP ({most}) {query}",
        refused={"matching": "SQL Server has no regular expressions before 2025; use a sql rule with LIKE"},
    ),
)
