"""Oracle, OceanBase in Oracle mode, and DM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dms_provider.dialects.aggregates import Aggregates
from dms_provider.dialects.base import Dialect
from dms_provider.dialects.lexer import LexicalRules, name_pattern
from dms_provider.dialects.statements import SplittingRules

_BLOCK_OBJECTS: Final = frozenset({"PROCEDURE", "FUNCTION", "PACKAGE", "TRIGGER", "TYPE", "JAVA"})
_BEFORE_OBJECT: Final = frozenset(
    {
        "CREATE",
        "OR",
        "REPLACE",
        "EDITIONABLE",
        "NONEDITIONABLE",
        "AND",
        "RESOLVE",
        "COMPILE",
        "NOFORCE",
        "FORCE",
        "IF",
        "NOT",
        "EXISTS",
    }
)
_COMMITTING: Final = frozenset(
    {
        "ALTER",
        "CREATE",
        "DROP",
        "RENAME",
        "TRUNCATE",
        "GRANT",
        "REVOKE",
        "COMMENT",
        "ANALYZE",
        "AUDIT",
        "NOAUDIT",
        "PURGE",
        "FLASHBACK",
        "ASSOCIATE",
        "DISASSOCIATE",
        "COMMIT",
        "ADMINISTER",
    }
)
_ENDS_TRANSACTION: Final = frozenset({"COMMIT", "ROLLBACK", "IMMEDIATE"})


def _is_block(words: Sequence[str]) -> bool | None:
    if words[0] in ("DECLARE", "BEGIN"):
        return True
    if words[0] == "WITH":
        return None if len(words) == 1 else words[1] in ("FUNCTION", "PROCEDURE")
    if words[0] != "CREATE":
        return False
    if words[-1] in _BLOCK_OBJECTS:
        return True
    return None if words[-1] in _BEFORE_OBJECT else False


def _commits(words: Sequence[str]) -> str | None:
    if words[0] in _COMMITTING:
        return " ".join(words[:2])
    if words[0] == "ROLLBACK" and "TO" not in words:
        return "ROLLBACK"
    if words[0] in ("DECLARE", "BEGIN"):
        return next((f"a block with {word}" for word in words if word in _ENDS_TRANSACTION), None)
    return None


_RULES: Final = LexicalRules(
    word=name_pattern("_$#"),
    numbers=True,
    national=True,
    alternative_quotes=True,
)
_SPLITTING: Final = SplittingRules(slash_lines=True, routine=_is_block)

_FIRST_ROW: Final = ("SELECT", "AND ROWNUM = 1")
_AGGREGATES: Final = Aggregates(
    now="CAST(SYSTIMESTAMP AS TIMESTAMP)",
    some_rows="SELECT * FROM (SELECT {query}) WHERE ROWNUM <= {most}",
)

ORACLE: Final = Dialect(
    name="Oracle",
    rules=_RULES,
    splitting=_SPLITTING,
    commits=_commits,
    first_row=_FIRST_ROW,
    aggregates=_AGGREGATES,
)
DM: Final = Dialect(
    name="DM",
    rules=_RULES,
    splitting=_SPLITTING,
    commits=_commits,
    first_row=_FIRST_ROW,
    aggregates=_AGGREGATES,
)
