"""Who holds a lock on a table of MySQL's family, as far as the server tells."""

from __future__ import annotations

from typing import Final

from dms_provider.schema_change.mysql_tables import MySQLTable
from dms_provider.sessions.session import DatabaseError, Session

LOCK_WAIT_TIMEOUT: Final = 1205
_BY_METADATA_LOCKS: Final = (
    "SELECT t.processlist_id, t.processlist_user, t.processlist_host, t.processlist_time"
    " FROM performance_schema.metadata_locks m"
    " JOIN performance_schema.threads t ON t.thread_id = m.owner_thread_id"
    " WHERE m.object_type = 'TABLE' AND m.object_schema = %s AND m.object_name = %s"
    " AND m.lock_status = 'GRANTED' AND t.processlist_id <> CONNECTION_ID()"
    " ORDER BY t.processlist_time DESC LIMIT 1"
)
_BY_TRANSACTIONS: Final = (
    "SELECT p.id, p.user, p.host, TIMESTAMPDIFF(SECOND, x.trx_started, NOW())"
    " FROM information_schema.innodb_trx x JOIN information_schema.processlist p"
    " ON p.id = x.trx_mysql_thread_id WHERE p.id <> CONNECTION_ID() ORDER BY x.trx_started LIMIT 1"
)


def holder(session: Session, table: MySQLTable) -> str:
    """Return who holds a lock on a table, as a sentence; empty where the server does not tell."""
    try:
        if row := session.row(_BY_METADATA_LOCKS, (table.database, table.name)):
            return "connection {} of {}@{} holds it, and has done nothing else for {} s".format(*row)
    except DatabaseError:
        pass  # no performance schema, or no right to read it
    try:
        if row := session.row(_BY_TRANSACTIONS):
            return "the oldest open transaction is of connection {} of {}@{}, begun {} s ago".format(*row)
    except DatabaseError:
        pass  # no right to see others
    return ""
