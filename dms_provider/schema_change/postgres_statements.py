"""What DDL of PostgreSQL's family says, as far as the way it can go depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from dms_provider.dialects import Dialect, Mode
from dms_provider.schema_change.base import SchemaChange, SchemaChangeError
from dms_provider.schema_change.code import Code

Kind = Literal["create", "drop", "reindex", "alter"]

_ALTERED: Final = (
    ("TABLE",),
    ("INDEX",),
    ("VIEW",),
    ("MATERIALIZED", "VIEW"),
    ("FOREIGN", "TABLE"),
    ("SEQUENCE",),
)
_CONCURRENTLY: Final = "CONCURRENTLY"


@dataclass(frozen=True, slots=True)
class DatabaseChange(SchemaChange):
    """A change of an index or a table.

    :param kind: what is done
    :param runs: the statement as it goes to the server
    :param table: the table of a new index; what a REINDEX or an ALTER names; as it was written
    :param index: the name of a new index, as it was written; empty where the server is to choose one
    :param scope: what a REINDEX is of: INDEX, TABLE, SCHEMA or DATABASE
    :param without_partitions: a new index is one of the table alone (``ON ONLY``)
    """

    kind: Kind
    runs: str
    table: str = ""
    index: str = ""
    scope: str = ""
    without_partitions: bool = False


def read_change(sql: str, dialect: Dialect, mode: Mode) -> DatabaseChange | None:
    """Read a statement.

    :return: ``None`` for one that needs no lock-free way
    :raises SchemaChangeError: it cannot go in one
    """
    code = Code(sql, dialect, mode)
    is_unique = code.words(0, "CREATE", "UNIQUE", "INDEX")
    if is_unique or code.words(0, "CREATE", "INDEX"):
        return _create(code, 3 if is_unique else 2)
    if code.words(0, "DROP", "INDEX"):
        runs = _concurrently(code, 2)
        return DatabaseChange(sql, f"DROP INDEX {_CONCURRENTLY}", "drop", runs)
    if code.word(0) == "REINDEX":
        return _reindex(code)
    for words in _ALTERED:
        if code.words(0, "ALTER", *words):
            begin = code.behind(code.behind(len(words) + 1, "IF", "EXISTS"), "ONLY")
            _, end = code.name(begin)
            way = "as it is, with a bounded wait for its lock"
            return DatabaseChange(sql, way, "alter", sql, code.spelling(begin, end))
    return None


def _create(code: Code, at: int) -> DatabaseChange:
    runs = _concurrently(code, at)
    at = code.behind(code.behind(at, _CONCURRENTLY), "IF", "NOT", "EXISTS")
    index, table, only = "", "", False
    if code.word(at) != "ON":
        _, end = code.name(at)
        index, at = code.spelling(at, end), end
    if code.word(at) == "ON":
        only = code.words(at + 1, "ONLY")
        at = code.behind(at + 1, "ONLY")
        _, end = code.name(at)
        table = code.spelling(at, end)
    if not table or code.is_unclear:
        raise SchemaChangeError("this CREATE INDEX cannot be read well enough to go lock-free")
    way = f"CREATE INDEX {_CONCURRENTLY}"
    return DatabaseChange(code.sql, way, "create", runs, table, index, without_partitions=only)


def _reindex(code: Code) -> DatabaseChange:
    at = 1
    if code.text(at) == "(":
        while at < len(code) and code.text(at) != ")":
            at += 1
        at += 1
    scope = code.word(at)
    if scope not in ("INDEX", "TABLE", "SCHEMA", "DATABASE"):
        raise SchemaChangeError(f"REINDEX {scope} always locks; no lock-free way is known")
    already = any(code.word(index) == _CONCURRENTLY for index in range(1, at))
    runs = code.sql if already else _concurrently(code, at + 1)
    begin = code.behind(at + 1, _CONCURRENTLY)
    _, end = code.name(begin)
    way = f"REINDEX {scope} {_CONCURRENTLY}"
    return DatabaseChange(code.sql, way, "reindex", runs, code.spelling(begin, end), scope=scope)


def _concurrently(code: Code, at: int) -> str:
    if code.word(at) == _CONCURRENTLY:
        return code.sql
    if at >= len(code):
        return code.with_text(code.end, f" {_CONCURRENTLY}")
    return code.with_text(code.start(at), f"{_CONCURRENTLY} ")
