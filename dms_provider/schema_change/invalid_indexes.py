"""Indexes that a concurrent build of PostgreSQL left unfinished: a cost to writers, of use to nobody."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from dms_provider.schema_change.base import SchemaChangeError, Workplace
from dms_provider.schema_change.patience import pause
from dms_provider.schema_change.postgres_statements import DatabaseChange
from dms_provider.sessions.session import DatabaseError, Session

_WAIT_SECONDS: Final = 15.0
_AGAIN_SECONDS: Final = 0.5
_INVALID: Final = """
SELECT format('%%I.%%I', n.nspname, c.relname),
    (SELECT min(l.pid) FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     AND l.pid <> pg_backend_pid() AND coalesce(a.backend_type, '') <> 'autovacuum worker')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND c.relkind = 'i' AND {condition} ORDER BY 1 LIMIT 1
"""
_OF_TABLE: Final = "i.indrelid = to_regclass(%s)"
_NAMED: Final = f"{_OF_TABLE} AND c.relname = (parse_ident(%s))[cardinality(parse_ident(%s))]::name"
_NEW: Final = f"{_OF_TABLE} AND NOT i.indexrelid = ANY (%s::oid[])"
_INDEXES: Final = """
SELECT coalesce(array_agg(indexrelid), '{}')::text FROM pg_index WHERE indrelid = to_regclass(%s)
"""
_OF_REINDEX: Final = """
c.relname ~ '_cc(new|old)[0-9]*$' AND EXISTS (
    SELECT 1 FROM pg_index j JOIN pg_class d ON d.oid = j.indexrelid,
        regexp_replace(c.relname, '_cc(new|old)[0-9]*$', '') rebuilt
    WHERE j.indrelid = i.indrelid AND d.oid <> c.oid AND left(d.relname, length(rebuilt)) = rebuilt
    AND {scope})
"""
_SCOPES: Final = {
    "INDEX": "d.oid = to_regclass(%s)",
    "TABLE": "j.indrelid = to_regclass(%s)",
    "SCHEMA": "d.relnamespace = to_regnamespace(%s)",
    "DATABASE": "%s IS NOT NULL AND n.nspname !~ '^pg_'",
}


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Which unfinished indexes belong to one change.

    :param condition: on ``pg_index i``, ``pg_class c`` and ``pg_namespace n``
    :param values: of its parameters
    """

    condition: str
    values: tuple[str, ...]

    @classmethod
    def of(cls, change: DatabaseChange, session: Session) -> Unfinished | None:
        """Return those that an unfinished try of a change leaves; ``None`` where it leaves none.

        To be asked before the try: an index without a name is known by not having been there.
        """
        if change.kind == "reindex":
            return cls(_OF_REINDEX.format(scope=_SCOPES[change.scope]), (change.table,))
        if change.kind != "create":
            return None
        if change.index:
            return cls(_NAMED, (change.table, change.index, change.index))
        row = session.row(_INDEXES, (change.table,))
        return cls(_NEW, (change.table, str(row[0]) if row else "{}"))

    def remove(self, place: Workplace) -> None:
        """Remove them, unless somebody is building at them.

        :raises SchemaChangeError: somebody is, for longer than a stopped build takes to end
        """
        until = time.monotonic() + _WAIT_SECONDS
        question = _INVALID.format(condition=self.condition)
        while (found := place.session.row(question, self.values)) is not None:
            index, builder = found
            if builder is None:
                _drop(place.session, str(index))
                place.log.info("Removed the invalid index %s, which an unfinished try left", index)
            elif time.monotonic() > until:
                raise SchemaChangeError(
                    f"{index} is being built by the session with pid {builder}; run this after it has ended"
                )
            else:
                pause(place, _AGAIN_SECONDS)


def warn_of_others(place: Workplace, table: str) -> None:
    """Say that a table has an invalid index, which nobody can tell to be of an earlier try."""
    if found := place.session.row(_INVALID.format(condition=_OF_TABLE), (table,)):
        place.log.warning(
            "%s is invalid, and may be left by an earlier try; give the index of this statement a name, and"
            " what its tries leave is removed",
            found[0],
        )


def _drop(session: Session, index: str) -> None:
    try:
        session.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
    except DatabaseError:
        # It waits for old transactions; the lock of the table itself may be had between them.
        session.execute("SET lock_timeout = '1s'")
        session.execute(f"DROP INDEX IF EXISTS {index}")
