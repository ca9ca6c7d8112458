"""MySQL, MariaDB, and what speaks their protocol and language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dms_provider.dialects.aggregates import Aggregates
from dms_provider.dialects.base import Dialect
from dms_provider.dialects.blocks import Blocks
from dms_provider.dialects.lexer import WORD_OR_NUMBER, LexicalRules
from dms_provider.dialects.modes import Mode, Repertoire, as_text
from dms_provider.dialects.statements import SplittingRules

_REPERTOIRES: Final[dict[str, Repertoire]] = {
    "utf8mb4": "unicode",
    "utf8": "bmp",
    "utf8mb3": "bmp",
}
_SMALLEST_FIRST: Final = ("ascii", "bmp", "unicode")
_NO_MERGING_BYTES: Final = frozenset({*_REPERTOIRES, "latin1", "ascii", "binary"})
_ROUTINES: Final = frozenset({"PROCEDURE", "FUNCTION", "TRIGGER", "EVENT"})
_OTHER_OBJECTS: Final = frozenset(
    {
        "TABLE",
        "VIEW",
        "INDEX",
        "DATABASE",
        "SCHEMA",
        "USER",
        "ROLE",
        "SERVER",
        "TABLESPACE",
        "LOGFILE",
        "SEQUENCE",
        "UNIQUE",
        "FULLTEXT",
        "SPATIAL",
        "TEMPORARY",
        "UNDO",
        "VECTOR",
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
        "INSTALL",
        "UNINSTALL",
        "ANALYZE",
        "CACHE",
        "CHECK",
        "FLUSH",
        "OPTIMIZE",
        "REPAIR",
        "BEGIN",
        "COMMIT",
        "XA",
        "CHANGE",
        "START",
        "STOP",
        "RESET",
        "SHUTDOWN",
        "BACKUP",
        "IMPORT",
        "CLONE",
        "RESTART",
    }
)
_COMPOUND: Final = frozenset({"IF", "CASE", "WHILE", "LOOP", "REPEAT", "FOR"})
_NOT_KNOWN_HERE: Final = {
    "EXECUTE": "EXECUTE (what it executes is not known here)",
    "CALL": "CALL (whether the procedure commits is not known here)",
}
_WITH_ONE_MORE_WORD: Final = frozenset(
    {
        ("LOCK", "TABLES"),
        ("LOCK", "TABLE"),
        ("LOCK", "INSTANCE"),
        ("UNLOCK", "TABLES"),
        ("UNLOCK", "TABLE"),
        ("UNLOCK", "INSTANCE"),
        ("LOAD", "INDEX"),
        ("SET", "PASSWORD"),
        ("SET", "DEFAULT"),
    }
)


def _read_mode(row: Sequence[object]) -> Mode:
    sql_mode = as_text(row[0]).upper().split(",")
    charset, connection = as_text(row[1]).lower(), as_text(row[2]).lower()
    kept = (_REPERTOIRES.get(charset, "ascii"), _REPERTOIRES.get(connection, "ascii"))
    return Mode(
        backslash_escapes="NO_BACKSLASH_ESCAPES" not in sql_mode,
        double_quotes="identifier" if "ANSI_QUOTES" in sql_mode else "literal",
        brackets="MSSQL" in sql_mode,
        repertoire=min(kept, key=_SMALLEST_FIRST.index),
        merging_bytes=charset not in _NO_MERGING_BYTES,
    )


def _is_routine(words: Sequence[str]) -> bool | None:
    if words[0] == "BEGIN":
        return None if len(words) == 1 else words[1] == "NOT"
    if words[0] != "CREATE" or words[-1] in _OTHER_OBJECTS or len(words) > 12:
        return False
    return True if words[-1] in _ROUTINES else None


def _behind_set_statement(words: Sequence[str]) -> Sequence[str]:
    # MariaDB: SET STATEMENT max_statement_time = 1 FOR DROP TABLE t
    if tuple(words[:2]) == ("SET", "STATEMENT") and "FOR" in words[:-1]:
        return words[words.index("FOR") + 1 :]
    return words


def _commits(words: Sequence[str]) -> str | None:
    words = _behind_set_statement(words)
    first, pair = words[0], tuple(words[:2])
    if first in ("CREATE", "DROP") and "TEMPORARY" in (pair[-1], *(words[3:4] if "OR" in pair else ())):
        return None
    if first in _COMMITTING or pair in _WITH_ONE_MORE_WORD:
        return " ".join(pair)
    if first == "SET" and "AUTOCOMMIT" in words:
        return "SET AUTOCOMMIT"
    if first == "ROLLBACK" and "TO" not in words:
        return "ROLLBACK"
    if first in _COMPOUND:
        return f"{first} … END"
    return _NOT_KNOWN_HERE.get(first)


def _nests_code(words: Sequence[str]) -> bool:
    words = _behind_set_statement(words)
    return words[0] in ("PREPARE", "EXECUTE") or (words[0] == "CREATE" and "LIBRARY" in words[1:6])


MYSQL: Final = Dialect(
    name="MySQL",
    rules=LexicalRules(
        word=WORD_OR_NUMBER,
        line_comments=(r"#[^\n]*", r"--(?=[\x00-\x20\x7f]|\Z)[^\n]*"),
        executable_comments=True,
        backticks=True,
        doubled_brackets=True,
        national=True,
        special_prefixes="[xXbB]",
    ),
    splitting=SplittingRules(
        delimiter_command=True, routine=_is_routine, blocks=lambda: Blocks(control_statements=True)
    ),
    default_mode=Mode(backslash_escapes=True, double_quotes="literal"),
    mode_query="SELECT @@SESSION.sql_mode, @@SESSION.character_set_client, "
    "@@SESSION.character_set_connection",
    read_mode=_read_mode,
    mode_characters='\\"[',
    commits=_commits,
    nests_code=_nests_code,
    introducers=True,
    national_repertoire="bmp",
    identifier_quotes="``",
    compares_anything=True,
    aggregates=Aggregates(
        length="CHAR_LENGTH({c})", match="{c} REGEXP {x}", count_if="{count}({condition} OR NULL)"
    ),
)
