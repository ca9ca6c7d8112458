"""Db2."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters
from typing import Final

from dms_provider.dialects.aggregates import Aggregates
from dms_provider.dialects.base import Dialect
from dms_provider.dialects.blocks import Blocks
from dms_provider.dialects.lexer import LexicalRules, name_pattern
from dms_provider.dialects.statements import SplittingRules

_ROUTINES: Final = frozenset({"PROCEDURE", "FUNCTION", "TRIGGER", "MODULE"})


def _is_routine(words: Sequence[str]) -> bool | None:
    if words[0] == "BEGIN":
        return True
    if words[0] not in ("CREATE", "ALTER") or len(words) > 4:
        return False
    if words[-1] in _ROUTINES:
        return True
    return None if words[-1] in ("CREATE", "ALTER", "OR", "REPLACE") else False


def _commits(words: Sequence[str]) -> str | None:
    if words[0] == "COMMIT" or (words[0] == "ROLLBACK" and "TO" not in words):
        return words[0]
    if words[0] == "BEGIN":
        return next((f"a block with {word}" for word in words if word in ("COMMIT", "ROLLBACK")), None)
    return None


DB2: Final = Dialect(
    name="Db2",
    rules=LexicalRules(
        word=name_pattern("_@#$", first=ascii_letters + "_@#$"),
        numbers=True,
        nested_comments=True,
        national=True,
        special_prefixes="(?:[uUbBgG]?[xX]|[gG])",
        unicode_strings=True,
    ),
    splitting=SplittingRules(
        terminator_comment=True, routine=_is_routine, blocks=lambda: Blocks(control_statements=True)
    ),
    commits=_commits,
    nests_code=lambda words: words[0] in ("EXECUTE", "PREPARE"),
    first_row=("SELECT", "ORDER BY {order} FETCH FIRST 1 ROWS ONLY"),
    aggregates=Aggregates(
        count="COUNT_BIG",
        sum="SUM(DECFLOAT({c}))",
        stddev="STDDEV({c})",
        length="CHARACTER_LENGTH({c}, CODEUNITS32)",
        now="CURRENT TIMESTAMP",
        some_rows="SELECT {query} FETCH FIRST {most} ROWS ONLY",
    ),
)
