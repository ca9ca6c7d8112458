"""SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dms_provider.dialects.aggregates import Aggregates
from dms_provider.dialects.base import Dialect
from dms_provider.dialects.blocks import Blocks
from dms_provider.dialects.lexer import LETTER_NAME, LexicalRules
from dms_provider.dialects.modes import Mode
from dms_provider.dialects.statements import SplittingRules


def _is_routine(words: Sequence[str]) -> bool | None:
    if words[0] != "CREATE" or len(words) > 3:
        return False
    if words[-1] == "TRIGGER":
        return True
    return None if words[-1] in ("CREATE", "TEMP", "TEMPORARY") else False


def _commits(words: Sequence[str]) -> str | None:
    if words[0] in ("BEGIN", "COMMIT", "END", "VACUUM", "ATTACH", "DETACH"):
        return words[0]
    return "ROLLBACK" if words[0] == "ROLLBACK" and "TO" not in words else None


SQLITE: Final = Dialect(
    name="SQLite",
    rules=LexicalRules(word=LETTER_NAME, numbers=True, backticks=True, special_prefixes="[xX]"),
    splitting=SplittingRules(routine=_is_routine, blocks=lambda: Blocks(control_statements=False)),
    default_mode=Mode(brackets=True),
    commits=_commits,
    # "name" is text where there is no such column
    identifier_quotes="``",
    compares_anything=True,
    # REGEXP and STDDEV_POP are functions of our own, see dms_provider.sessions.sqlite
    aggregates=Aggregates(match="{c} REGEXP {x}", now="STRFTIME('%Y-%m-%d %H:%M:%f', 'now')"),
)
