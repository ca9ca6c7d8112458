"""A table of MySQL's family, and the names of what stands beside it while a copy takes its place."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from dms_provider.schema_change.base import SchemaChangeError
from dms_provider.sessions.session import DatabaseError, Session

_LONGEST_NAME: Final = 64
_HASH_CHARACTERS: Final = 12


@dataclass(frozen=True, slots=True)
class MySQLTable:
    """A table by its full name.

    :param database: that it is in
    :param name: of the table
    """

    database: str
    name: str

    @classmethod
    def find(cls, session: Session, parts: tuple[str, ...]) -> MySQLTable:
        """Return the table that a name means in a session.

        :raises SchemaChangeError: it names no database, and the session has none
        """
        if len(parts) > 1:
            return cls(parts[-2], parts[-1])
        (database,) = session.first_row("SELECT DATABASE()")
        if not database:
            raise SchemaChangeError(f"no database is selected; write database.{parts[-1]}")
        return cls(str(database), parts[-1])

    def is_temporary(self, session: Session) -> bool:
        """Return whether this session has a temporary table of this name, which hides the other one."""
        try:
            row = session.row(f"SHOW CREATE TABLE {self.sql}")
        except DatabaseError:
            return False
        return row is not None and str(row[1]).startswith("CREATE TEMPORARY")

    def partition_method(self, session: Session) -> str:
        """Return how rows come into partitions, for example ``RANGE COLUMNS``; empty without partitions."""
        row = session.row(
            "SELECT partition_method FROM information_schema.partitions"
            " WHERE table_schema = %s AND table_name = %s AND partition_method IS NOT NULL LIMIT 1",
            (self.database, self.name),
        )
        return str(row[0]).upper() if row else ""

    def has_more_rows_than(self, session: Session, rows: int) -> bool:
        """Return whether the table has more rows than a number; no more than these are looked at."""
        (found,) = session.first_row(f"SELECT COUNT(*) FROM (SELECT 1 FROM {self.sql} LIMIT {rows + 1}) part")
        return int(found) > rows

    def exists(self, session: Session) -> bool:
        """Return whether the table is there."""
        question = (
            "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s LIMIT 1"
        )
        return session.row(question, (self.database, self.name)) is not None

    @property
    def copy(self) -> MySQLTable:
        """The table that is filled while this one works on."""
        return self._beside("new")

    @property
    def replaced(self) -> MySQLTable:
        """What this table is called when the copy has taken its place."""
        return self._beside("old")

    @property
    def written(self) -> MySQLTable:
        """The keys of what is written while the copy is compared with this table."""
        return self._beside("log")

    def trigger_of(self, event: str) -> str:
        """Return the name, as SQL, of the trigger that keeps the keys of an event."""
        return quoted(f"dms_log_{event.lower()}_{self._hash}")

    @property
    def user_lock(self) -> str:
        """Name of the server's lock that who copies this table holds, so that there is one at most."""
        return f"dms_schema_change_{self._hash}"

    @property
    def copier_lock(self) -> str:
        """Name of the server's lock by which the connection of the copying program is found."""
        return f"dms_schema_copier_{self._hash}"

    @property
    def sql(self) -> str:
        """The name as SQL."""
        return f"{quoted(self.database)}.{quoted(self.name)}"

    def __str__(self) -> str:
        return f"{self.database}.{self.name}"

    @property
    def _hash(self) -> str:
        text = f"{self.database}\0{self.name}".lower().encode("utf-8", "surrogatepass")
        return hashlib.sha256(text).hexdigest()[: 2 * _HASH_CHARACTERS]

    def _beside(self, kind: str) -> MySQLTable:
        name = f"_dms_{kind}_{self.name}"
        if len(name) > _LONGEST_NAME:
            name = f"{name[: _LONGEST_NAME - _HASH_CHARACTERS - 1]}_{self._hash[:_HASH_CHARACTERS]}"
        return MySQLTable(self.database, name)


def quoted(name: str) -> str:
    """Return a name in backticks."""
    return f"`{name.replace('`', '``')}`"
