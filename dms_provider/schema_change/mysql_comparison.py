"""Comparison of a table of MySQL's family with its copy: of all rows, then of those that were written since.

The keys of what is written meanwhile are kept in a table of their own, so that the last comparison, during
which nobody can write, is of few rows however many the table has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dms_provider.schema_change.base import OFF, SchemaChangeError
from dms_provider.schema_change.mysql_tables import MySQLTable, quoted
from dms_provider.schema_change.mysql_values import Doubt
from dms_provider.sessions.session import Session

_KEY: Final = (
    "SELECT s.seq_in_index, s.column_name, o.column_type, COALESCE(o.character_set_name, ''),"
    " COALESCE(o.collation_name, ''), COALESCE(n.character_set_name, ''), COALESCE(n.collation_name, '')"
    " FROM information_schema.statistics s"
    " JOIN information_schema.columns o ON o.column_name = s.column_name"
    " JOIN information_schema.columns n ON n.column_name = s.column_name"
    " WHERE s.table_schema = %s AND s.table_name = %s AND s.index_name = 'PRIMARY'"
    " AND o.table_schema = s.table_schema AND o.table_name = s.table_name"
    " AND n.table_schema = %s AND n.table_name = %s AND s.seq_in_index > %s ORDER BY s.seq_in_index LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class _KeyColumn:
    name: str
    type: str
    charset: str
    collation: str
    new_charset: str
    new_collation: str

    @property
    def definition(self) -> str:
        text = f" CHARACTER SET {self.charset} COLLATE {self.collation}" if self.collation else ""
        return f"{self.name} {self.type}{text} NOT NULL"

    def found_by(self, other: str) -> str:
        """Return the condition that a row of the copy has this of another's key, as its index finds it."""
        value = f"{other}.{self.name}"
        if self.new_collation:
            value = f"CONVERT({value} USING {self.new_charset}) COLLATE {self.new_collation}"
        return f"n.{self.name} = {value}"


class Comparison:
    """How a table and its copy are compared.

    :param doubt: which columns may differ
    :raises SchemaChangeError: the table has no primary key, or one by which rows of the copy are not found
    """

    def __init__(self, session: Session, table: MySQLTable, copy: MySQLTable, doubt: Doubt) -> None:
        self._table, self._copy, self._doubt = table, copy, doubt
        self._key = tuple(_primary_key(session, table, copy))
        if not self._key or any(bool(one.collation) != bool(one.new_collation) for one in self._key):
            raise SchemaChangeError(
                f"the new definition may not have room for each value of {', '.join(doubt.names)}, and rows"
                f" of {table} cannot be compared with those of its copy: it has no primary key, or one that"
                f" would be a text and was none, or the other way. Choose another definition, or {OFF}"
            )

    @property
    def begin(self) -> tuple[str, ...]:
        """Statements after which each key is kept that is written to the table, or goes from the copy."""
        log, names = self._table.written.sql, [one.name for one in self._key]
        columns = ", ".join(one.definition for one in self._key)
        return (
            f"CREATE TABLE {log} ({columns}, PRIMARY KEY ({', '.join(names)})) ENGINE=InnoDB",
            *(
                f"CREATE TRIGGER {self._trigger(event)} AFTER {event} ON {table.sql} FOR EACH ROW"
                f" INSERT IGNORE INTO {log} VALUES ({', '.join(f'{row}.{name}' for name in names)})"
                for event, table, row in (
                    ("INSERT", self._table, "NEW"),
                    ("UPDATE", self._table, "NEW"),
                    ("DELETE", self._copy, "OLD"),
                )
            ),
        )

    @property
    def end(self) -> tuple[str, ...]:
        """Statements after which the copy has no trigger; those of the table go with it."""
        return (f"DROP TRIGGER {self._trigger('DELETE')}",)

    @property
    def of_all(self) -> str:
        """The query that gives the rows of the table, of the copy, and how many are not the same."""
        on = " AND ".join(one.found_by("o") for one in self._key)
        return (
            f"SELECT COUNT(*), (SELECT COUNT(*) FROM {self._copy.sql} c),"
            f" COALESCE(SUM(n.{self._key[0].name} IS NULL OR {self._doubt.differs}), 0)"
            f" FROM {self._table.sql} o LEFT JOIN {self._copy.sql} n ON {on}"
        )

    @property
    def of_written(self) -> str:
        """What follows SELECT in the query that gives how many rows differ whose keys were kept."""
        first = self._key[0].name
        old = " AND ".join(f"o.{one.name} = l.{one.name}" for one in self._key)
        new = " AND ".join(one.found_by("l") for one in self._key)
        return (
            f"COALESCE(SUM((o.{first} IS NULL) <> (n.{first} IS NULL) OR {self._doubt.differs}), 0)"
            f" FROM {self._table.written.sql} l LEFT JOIN {self._table.sql} o ON {old}"
            f" LEFT JOIN {self._copy.sql} n ON {new}"
        )

    def _trigger(self, event: str) -> str:
        return f"{quoted(self._table.database)}.{self._table.trigger_of(event)}"


def _primary_key(session: Session, table: MySQLTable, copy: MySQLTable) -> Iterator[_KeyColumn]:
    position = 0
    tables = (table.database, table.name, copy.database, copy.name)
    while (row := session.row(_KEY, (*tables, str(position)))) is not None:
        position = int(row[0])
        name, *rest = (value.decode() if isinstance(value, bytes) else str(value) for value in row[1:])
        yield _KeyColumn(quoted(name), *rest)
