"""Whether rows of a table of MySQL's family stay what they are under another definition of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from dms_provider.schema_change.mysql_tables import MySQLTable, quoted
from dms_provider.sessions.session import Session

_INTEGER_BITS: Final = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_TEXTS: Final = frozenset({"tinytext", "text", "mediumtext", "longtext"})
_BLOBS: Final = frozenset({"tinyblob", "blob", "mediumblob", "longblob", "varbinary"})
_FRACTIONAL: Final = frozenset({"datetime", "timestamp", "time"})
_OF_A_COLUMN: Final = (
    "data_type, {0}.column_type, {0}.is_nullable, COALESCE({0}.character_set_name, ''),"
    " COALESCE({0}.collation_name, ''), COALESCE({0}.character_maximum_length, 0),"
    " COALESCE({0}.character_octet_length, 0), COALESCE({0}.numeric_precision, 0),"
    " COALESCE({0}.numeric_scale, 0), COALESCE({0}.datetime_precision, 0)"
)
_CHANGED: Final = (
    "SELECT o.ordinal_position, o.column_name, COALESCE(n.generation_expression, '') <> '',"
    " EXISTS (SELECT 1 FROM information_schema.statistics s WHERE s.table_schema = n.table_schema"
    " AND s.table_name = n.table_name AND s.non_unique = 0"
    " AND COALESCE(s.column_name, n.column_name) = n.column_name),"
    f" o.{_OF_A_COLUMN.format('o')}, n.{_OF_A_COLUMN.format('n')}"
    " FROM information_schema.columns o JOIN information_schema.columns n ON n.column_name = o.column_name"
    " WHERE o.table_schema = %s AND o.table_name = %s AND n.table_schema = %s AND n.table_name = %s"
    " AND o.ordinal_position > %s AND (CAST(o.column_type AS BINARY) <> CAST(n.column_type AS BINARY)"
    " OR NOT (o.collation_name <=> n.collation_name) OR o.is_nullable <> n.is_nullable)"
    " ORDER BY o.ordinal_position LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class _Column:
    kind: str
    type: str
    nullable: str
    charset: str
    collation: str
    characters: int
    octets: int
    precision: int
    scale: int
    fraction: int

    @property
    def is_unsigned(self) -> bool:
        return "unsigned" in self.type


@dataclass(frozen=True, slots=True)
class Doubt:
    """What of a copy's new definition may not have room for all that the table has, or will have.

    :param names: columns that may take another value, or become the same under a unique key
    :param same: of each column whose value can be compared, the condition that it is the same in both
    """

    names: tuple[str, ...]
    same: tuple[str, ...]

    @classmethod
    def of(cls, session: Session, table: MySQLTable, copy: MySQLTable) -> Doubt | None:
        """Compare the columns of two tables; ``None`` where each value of the one fits the other."""
        names, same = [], []
        for name, is_generated, is_unique, old, new in _changed(session, table, copy):
            fits = is_generated or _holds(old, new)
            if fits and not (is_unique and not _keeps_apart(old, new)):
                continue
            names.append(name)
            if not is_generated:
                same.append(_is_same(quoted(name), old, new, in_key=is_unique))
        return cls(tuple(names), tuple(same)) if names else None

    @property
    def differs(self) -> str:
        """The condition that a row of the table ``o`` is another one than that of the copy ``n``."""
        return " OR ".join(f"NOT ({one})" for one in self.same) or "FALSE"


def _changed(
    session: Session, table: MySQLTable, copy: MySQLTable
) -> Iterator[tuple[str, bool, bool, _Column, _Column]]:
    tables = (table.database, table.name, copy.database, copy.name)
    position = 0
    while (row := session.row(_CHANGED, (*tables, str(position)))) is not None:
        position, name, is_generated, is_unique, *rest = row
        half = len(rest) // 2
        yield str(name), bool(is_generated), bool(is_unique), _column(rest[:half]), _column(rest[half:])


def _column(values: list[Any]) -> _Column:
    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in values[:5]]
    kind, whole, nullable, charset, collation = texts
    numbers = (int(value) for value in values[5:])
    return _Column(kind.lower(), whole, nullable, charset.lower(), collation.lower(), *numbers)


def _holds(old: _Column, new: _Column) -> bool:
    """Return whether a column has room for each value of another; not proven is no."""
    if old.nullable == "YES" and new.nullable == "NO":
        return False
    if old.charset and new.charset:
        return _holds_text(old, new)
    if old.kind in _INTEGER_BITS and new.kind in _INTEGER_BITS:
        more = _INTEGER_BITS[new.kind] - _INTEGER_BITS[old.kind]
        if old.is_unsigned == new.is_unsigned:
            return more >= 0
        return old.is_unsigned and more > 0
    if old.kind == new.kind == "decimal":
        signs = not new.is_unsigned or old.is_unsigned
        digits = new.precision - new.scale >= old.precision - old.scale
        return signs and digits and new.scale >= old.scale
    if old.kind in _BLOBS and new.kind in _BLOBS:
        return new.octets >= old.octets
    if old.kind in _FRACTIONAL and old.kind == new.kind:
        return new.fraction >= old.fraction
    return old.type == new.type


def _holds_text(old: _Column, new: _Column) -> bool:
    if old.type == new.type and old.charset == new.charset:
        return True
    if old.charset != new.charset and not (_is_utf8mb3(old) and new.charset == "utf8mb4"):
        return False
    varying = {"varchar", *_TEXTS}
    if old.kind not in {"char", *varying} or not (new.kind in varying or new.kind == old.kind):
        return False
    if new.kind in _TEXTS:
        return new.octets >= old.octets
    return old.kind not in _TEXTS and new.characters >= old.characters


def _keeps_apart(old: _Column, new: _Column) -> bool:
    """Return whether values that differ in a column differ in the other, too; not proven is no."""
    if old.collation == new.collation:
        return True
    rule = old.collation.partition("_")[2]
    return _is_utf8mb3(old) and new.charset == "utf8mb4" and rule == new.collation.partition("_")[2]


def _is_utf8mb3(column: _Column) -> bool:
    return column.charset in ("utf8", "utf8mb3")


def _is_same(name: str, old: _Column, new: _Column, *, in_key: bool) -> str:
    if not (old.charset or new.charset):
        return f"o.{name} <=> n.{name}"
    # Spaces at the end count where a key may tell rows apart by them.
    text = "CAST({} AS BINARY)" if in_key else "{} COLLATE utf8mb4_bin"
    sides = (text.format(f"CONVERT({side}.{name} USING utf8mb4)") for side in ("o", "n"))
    return " <=> ".join(sides)
