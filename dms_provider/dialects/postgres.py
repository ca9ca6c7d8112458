"""PostgreSQL, and what speaks its protocol and language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from dms_provider.dialects.aggregates import Aggregates
from dms_provider.dialects.base import Dialect
from dms_provider.dialects.blocks import Blocks
from dms_provider.dialects.lexer import LETTER_NAME, LexicalRules
from dms_provider.dialects.modes import Mode, as_text
from dms_provider.dialects.statements import SplittingRules

_KEEPING_ENCODINGS: Final = re.compile(r"UTF8|LATIN[0-9]+|WIN[0-9]+|ISO_8859_[0-9]+|KOI8[RU]?")
_AGGREGATES: Final = Aggregates(
    length="LENGTH(CAST({c} AS text))",
    match="CAST({c} AS text) ~ {x}",
    distinct_by_groups=True,
    same_text='CAST({c} AS text) COLLATE "C"',
    plan="EXPLAIN (FORMAT JSON) {query}",
    rows_unknown=200,
)
_ALONE: Final = frozenset({"DATABASE", "TABLESPACE", "SUBSCRIPTION"})


def _read_mode(row: Sequence[object]) -> Mode:
    conforming, encoding = as_text(row[0]).lower(), as_text(row[1]).upper()
    if conforming not in ("on", "off"):
        raise KeyError(conforming)
    return Mode(
        backslash_escapes=conforming == "off",
        repertoire="unicode" if _KEEPING_ENCODINGS.fullmatch(encoding) else "ascii",
        merging_bytes=not _KEEPING_ENCODINGS.fullmatch(encoding) and encoding != "SQL_ASCII",
    )


def _is_routine(words: Sequence[str]) -> bool | None:
    if words[0] != "CREATE" or len(words) > 4:
        return False
    if words[-1] in ("FUNCTION", "PROCEDURE"):
        return True
    return None if words[-1] in ("CREATE", "OR", "REPLACE") else False


def _commits(words: Sequence[str]) -> str | None:
    first, second = words[0], words[1] if len(words) > 1 else ""
    if first in ("BEGIN", "COMMIT", "END", "ABORT", "VACUUM"):
        return first
    if first == "ROLLBACK" and "TO" not in words:
        return first
    pair = f"{first} {second}"
    if pair in ("START TRANSACTION", "PREPARE TRANSACTION", "ALTER SYSTEM"):
        return pair
    if first in ("CREATE", "DROP", "ALTER") and second in _ALONE:
        return pair if first != "ALTER" or "TABLESPACE" in words[2:] or "REFRESH" in words else None
    if first in ("CREATE", "DROP", "REINDEX", "ALTER", "REFRESH") and "CONCURRENTLY" in words:
        return None if first == "REFRESH" else f"{pair} … CONCURRENTLY"
    if first == "REINDEX" and any(word in ("DATABASE", "SYSTEM", "SCHEMA") for word in words[1:]):
        return pair
    if first == "CLUSTER" and len(words) - ("VERBOSE" in words) == 1:
        return first
    return None


def _nests_code(words: Sequence[str]) -> bool:
    return words[0] == "DO" or _is_routine(words[:2]) is True or _is_routine(words[:4]) is True


POSTGRES: Final = Dialect(
    name="PostgreSQL",
    rules=LexicalRules(
        word=LETTER_NAME,
        numbers=True,
        line_comments=(r"--[^\n\r]*",),
        nested_comments=True,
        national=True,
        special_prefixes="[xXbB]",
        escape_strings=True,
        unicode_strings=True,
        dollar_strings=True,
        continued_strings=True,
    ),
    splitting=SplittingRules(
        parentheses=True,
        routine=_is_routine,
        blocks=lambda: Blocks(control_statements=False, only_atomic=True),
    ),
    mode_query="SELECT current_setting('standard_conforming_strings'), current_setting('client_encoding')",
    read_mode=_read_mode,
    mode_characters="\\",
    commits=_commits,
    nests_code=_nests_code,
    offsets_in_times=True,
    aggregates=_AGGREGATES,
)
HOLOGRES: Final = replace(POSTGRES, aggregates=replace(_AGGREGATES, same_text=""))
"""It refuses every collation but its own."""
