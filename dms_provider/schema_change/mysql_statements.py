"""What an ALTER TABLE, CREATE INDEX or DROP INDEX of MySQL's family says about the way it can go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dms_provider.dialects import Dialect, Mode, lexer
from dms_provider.schema_change.base import OFF, SchemaChange, SchemaChangeError
from dms_provider.schema_change.code import Code

_INDEX_KINDS: Final = frozenset({"UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR"})
_PARTITION_AS_IT_IS: Final = frozenset(
    {"DROP", "TRUNCATE", "EXCHANGE", "DISCARD", "IMPORT", "ANALYZE", "CHECK", "CONVERT"}
)
_COPIED_OPTIONS: Final = frozenset(
    """
    ALTER AUTO_INCREMENT AVG_ROW_LENGTH CHARACTER CHARSET CHECKSUM COALESCE COLLATE COMMENT COMPRESSION
    CONVERT DEFAULT DELAY_KEY_WRITE ENCRYPTED ENCRYPTION ENCRYPTION_KEY_ID ENGINE FORCE KEY_BLOCK_SIZE
    MAX_ROWS MIN_ROWS PACK_KEYS PAGE_COMPRESSED PAGE_COMPRESSION_LEVEL PARTITION REBUILD REMOVE REORGANIZE
    ROW_FORMAT STATS_AUTO_RECALC STATS_PERSISTENT STATS_SAMPLE_PAGES TRANSACTIONAL
    """.split()  # noqa: SIM905  # a list of words says no more
)


@dataclass(frozen=True, slots=True)
class TableChange(SchemaChange):
    """A change of one table.

    :param table: the parts of its name
    :param attempts: statements to try one after the other: the server refuses one that would lock
    :param copied: what pt-online-schema-change is to do where all were refused; ``None`` where it may not
    :param not_copied: why it may not, for people
    :param by_rules_of_partitions: needs no lock-free way where partitions are ranges or lists
    """

    table: tuple[str, ...]
    attempts: tuple[str, ...]
    copied: str | None = None
    not_copied: str = ""
    by_rules_of_partitions: bool = False


def read_change(sql: str, dialect: Dialect, mode: Mode) -> TableChange | None:
    """Read a statement.

    :return: ``None`` for one that is none of the three
    :raises SchemaChangeError: it is one of them, but its meaning depends on what is not known here
    """
    code = Code(sql, dialect, mode)
    begin = _behind_set_statement(code)
    if code.has_executable:
        skipping = Code(sql, dialect, mode, skip_executable=True)
        if _is_change(code, begin) or _is_change(skipping, _behind_set_statement(skipping)):
            raise SchemaChangeError(
                "the comment /*!…*/ makes this another statement on each version of the server, and so no"
                f" lock-free way is safe; write it without, or {OFF}"
            )
        return None
    if not _is_change(code, begin):
        return None
    found = None
    if not code.is_unclear:
        found = _alter_table(code, begin) if code.word(begin) == "ALTER" else _index(code, begin)
    if found is None:
        raise SchemaChangeError(f"this change of a table cannot be read well enough to go lock-free; {OFF}")
    return found


def _behind_set_statement(code: Code) -> int:
    if code.words(0, "SET", "STATEMENT"):
        return next((i + 1 for i in range(2, len(code)) if code.word(i) == "FOR"), 0)
    return 0


def _is_change(code: Code, begin: int) -> bool:
    if code.word(begin) == "ALTER":
        return "TABLE" in [code.word(begin + offset) for offset in (1, 2, 3)]
    if code.word(begin) not in ("CREATE", "DROP"):
        return False
    words = [code.word(begin + offset) for offset in range(1, 6)]
    known = _INDEX_KINDS | {"OR", "REPLACE", "ONLINE", "OFFLINE"}
    return next((word for word in words if word not in known), "") == "INDEX"


def _alter_table(code: Code, begin: int) -> TableChange | None:
    at = code.behind(code.behind(begin + 1, "ONLINE"), "OFFLINE")
    ignore = code.word(at) == "IGNORE"
    at = code.behind(code.behind(at, "IGNORE"), "TABLE")
    table, at = code.name(code.behind(at, "IF", "EXISTS"))
    if code.word(at) in ("WAIT", "NOWAIT"):
        at += 2 if code.word(at) == "WAIT" else 1
    if not table or at >= len(code):
        return None
    specs = [_Spec(code, first, last) for first, last in _specs(code, at)]
    if any(spec.words(1) in ("PARTITION", "TABLESPACE") and spec.is_immediate for spec in specs):
        return TableChange(
            code.sql, "as it is, with a bounded wait for its lock: no row is copied", table, (code.sql,)
        )
    if specs[0].words(0) == "ADD" and specs[0].words(1) == "PARTITION":
        return _partitions(code, table, at)
    algorithm = next((spec.value for spec in specs if spec.words(0) == "ALGORITHM"), "")
    lock = next((spec.value for spec in specs if spec.words(0) == "LOCK"), "")
    if algorithm or lock:
        return _as_asked(code, table, algorithm, lock, "LOCK=NONE, ", code.start(at))
    problem = "IGNORE drops rows" if ignore else _copy_problem(specs)
    if begin:
        problem = "SET STATEMENT does not reach it"
    attempts: tuple[str, ...] = ()
    if not any(
        spec.words(0) in ("PARTITION", "REMOVE", "REORGANIZE", "COALESCE", "REBUILD") for spec in specs
    ):
        attempts = tuple(
            code.with_text(code.start(at), clause)
            for clause in ("ALGORITHM=INSTANT, ", "ALGORITHM=INPLACE, LOCK=NONE, ")
        )
    tried = ["ALGORITHM=INSTANT", "ALGORITHM=INPLACE, LOCK=NONE"] if attempts else []
    return _change(code, table, attempts, tried, code.sql[code.start(at) : code.end], problem)


def _partitions(code: Code, table: tuple[str, ...], at: int) -> TableChange:
    return TableChange(
        code.sql,
        "as it is where partitions are ranges or lists, else pt-online-schema-change",
        table,
        (),
        copied=code.sql[code.start(at) : code.end],
        by_rules_of_partitions=True,
    )


def _index(code: Code, begin: int) -> TableChange | None:
    at, kind = begin + 1, ""
    replaces = code.words(at, "OR", "REPLACE")
    at = code.behind(at, "OR", "REPLACE")
    while code.word(at) != "INDEX":
        kind = code.word(at) if code.word(at) in _INDEX_KINDS else kind
        at += 1
    first = at + 1
    index, at = code.name(code.behind(code.behind(first, "IF", "NOT", "EXISTS"), "IF", "EXISTS"))
    on = next((i for i in range(at, len(code)) if code.word(i) == "ON"), len(code))
    table, at = code.name(on + 1)
    if not index or not table:
        return None
    algorithm, lock = _clause(code, at, "ALGORITHM"), _clause(code, at, "LOCK")
    if algorithm or lock:
        return _as_asked(code, table, algorithm, lock, " LOCK=NONE", code.end)
    in_place = "ALGORITHM=INPLACE, LOCK=NONE"
    named = code.sql[code.start(first) : code.tokens[on - 1][2]]
    if code.word(begin) == "DROP":
        # MariaDB knows the clauses in ALTER TABLE only, which is what all of them make of a DROP INDEX.
        target = code.sql[code.start(on + 1) : code.tokens[at - 1][2]]
        spelled = f"ALTER TABLE {target} {in_place}, DROP INDEX {named}"
        attempt = code.sql[: code.start(begin)] + spelled + code.sql[code.end :]
        return _change(code, table, (attempt,), [in_place], "", "an index is dropped in place or not at all")
    problem = _UNIQUE if kind == "UNIQUE" else None
    if begin or replaces:
        problem = "SET STATEMENT and OR REPLACE do not reach it"
    copied = f"ADD {kind and kind + ' '}INDEX {named} {code.sql[code.start(at) : code.end]}"
    attempts = (code.with_text(code.end, " ALGORITHM=INPLACE LOCK=NONE"),)
    return _change(code, table, attempts, [in_place], copied, problem)


def _change(
    code: Code,
    table: tuple[str, ...],
    attempts: tuple[str, ...],
    tried: list[str],
    copied: str,
    problem: str | None,
) -> TableChange:
    last = (
        "pt-online-schema-change"
        if problem is None
        else f"it fails (pt-online-schema-change may not: {problem})"
    )
    way = ", else ".join([*tried, last])
    return TableChange(code.sql, way, table, attempts, None if problem else copied, problem or "")


def _as_asked(
    code: Code, table: tuple[str, ...], algorithm: str, lock: str, clause: str, offset: int
) -> TableChange:
    """Keep to what the author asks for; only where nothing is said of a lock, none is allowed."""
    if not lock and algorithm in ("INPLACE", "NOCOPY", "DEFAULT"):
        return TableChange(
            code.sql,
            f"with its own ALGORITHM={algorithm}, and LOCK=NONE",
            table,
            (code.with_text(offset, clause),),
            not_copied="the statement names its own ALGORITHM",
        )
    own = ", ".join(f"{name}={value}" for name, value in (("ALGORITHM", algorithm), ("LOCK", lock)) if value)
    return TableChange(
        code.sql, f"with its own {own}", table, (code.sql,), not_copied="the statement names its own"
    )


def _clause(code: Code, begin: int, name: str) -> str:
    for index in range(begin, len(code)):
        if code.word(index) == name:
            return code.word(index + 2 if code.text(index + 1) == "=" else index + 1)
    return ""


def _specs(code: Code, begin: int) -> Iterator[tuple[int, int]]:
    depth, first = 0, begin
    for index in range(begin, len(code)):
        kind = code.tokens[index][0]
        depth += (kind == lexer.OPEN) - (kind == lexer.CLOSE)
        if depth == 0 and code.text(index) == "," and kind == lexer.OPERATOR:
            yield first, index
            first = index + 1
    yield first, len(code)


class _Spec:
    """One of the changes that an ALTER TABLE lists."""

    def __init__(self, code: Code, first: int, last: int) -> None:
        self._code, self._first, self._last = code, first, last

    def words(self, offset: int) -> str:
        return self._code.word(self._first + offset) if self._first + offset < self._last else ""

    @property
    def value(self) -> str:
        return self.words(2) or self.words(1)

    @property
    def is_immediate(self) -> bool:
        return self.words(0) in _PARTITION_AS_IT_IS

    @property
    def all_words(self) -> list[str]:
        return [word for index in range(self._first, self._last) if (word := self._code.word(index))]

    @property
    def column(self) -> str | None:
        """The column that this adds, drops or changes; ``None`` where it is something else."""
        if self.words(0) not in ("ADD", "DROP", "MODIFY", "CHANGE"):
            return None
        at = self._code.behind(self._first + 1, "COLUMN")
        if at == self._first + 1 and self.words(1) in _NO_COLUMNS:
            return None
        name, _ = self._code.name(
            self._code.behind(self._code.behind(at, "IF", "NOT", "EXISTS"), "IF", "EXISTS")
        )
        return name[-1].lower() if name else ""

    @property
    def new_name(self) -> str:
        at = self._code.behind(self._code.behind(self._first + 1, "COLUMN"), "IF", "EXISTS")
        _, at = self._code.name(at)
        return (self._code.name(at)[0] or ("",))[-1].lower()


_NO_COLUMNS: Final = frozenset(
    {
        "INDEX",
        "KEY",
        "CONSTRAINT",
        "FOREIGN",
        "CHECK",
        "PARTITION",
        "PERIOD",
        "SYSTEM",
        *_INDEX_KINDS,
        "PRIMARY",
    }
)
_UNIQUE: Final = "it would drop rows that are not unique without a word"


def _copy_problem(specs: list[_Spec]) -> str | None:
    """Return why a copy by pt-online-schema-change could lose something; ``None`` where it could not."""
    added: set[str] = set()
    dropped: set[str] = set()
    for spec in specs:
        first, words = spec.words(0), spec.all_words
        if first not in ("ADD", "DROP", "MODIFY", "CHANGE") and first not in _COPIED_OPTIONS:
            return f"{' '.join(words[:2])} does not go with the copy of a table"
        column = spec.column
        if first in ("ADD", "MODIFY", "CHANGE") and (
            "UNIQUE" in words or "PRIMARY" in words or (column is not None and "KEY" in words)
        ):
            return _UNIQUE
        if first == "DROP" and words[1:2] == ["PRIMARY"]:
            return "the copy goes along the primary key"
        if first == "CHANGE" and column != spec.new_name:
            return "it would lose the data of a column that gets another name; rename it in its own statement"
        if column is not None and first in ("ADD", "DROP"):
            (added if first == "ADD" else dropped).add(column)
    if dropped and (added & dropped or "" in added):
        return "it would keep the data of a column that is dropped and added; write two statements"
    return None
