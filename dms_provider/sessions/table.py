"""The table of data sources: for each connection type, its server and the hook that reaches it.

Source: flow-spec, *Data sources*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dms_provider.sessions.mysql import MySQLServer
from dms_provider.sessions.postgres import PostgresServer
from dms_provider.sessions.server import Server
from dms_provider.sessions.sqlite import SQLiteServer


@dataclass(frozen=True, slots=True)
class SourceType:
    """How connections of one type are reached.

    :param server: what is at the other end
    :param hook_type: the connection type whose hook speaks the protocol
    :param provider: the distribution that brings this hook
    """

    server: Server
    hook_type: str
    provider: str


class UnknownSource(LookupError):
    """Nodes cannot run SQL over connections of this type."""

    def __init__(self, conn_type: str) -> None:
        super().__init__(
            f"connection type {conn_type!r} cannot run SQL here; known types are {', '.join(SOURCE_TYPES)}"
        )
        self.conn_type = conn_type


def _mysql(server: Server) -> SourceType:
    return SourceType(server, "mysql", "apache-airflow-providers-mysql")


def _postgres(server: Server) -> SourceType:
    return SourceType(server, "postgres", "apache-airflow-providers-postgres")


SOURCE_TYPES: Mapping[str, SourceType] = MappingProxyType(
    {
        "mysql": _mysql(MySQLServer()),
        "polardbx": _mysql(MySQLServer()),
        "oceanbase": _mysql(MySQLServer()),
        "analyticdb_mysql": _mysql(MySQLServer(transactions=False, read_only_transactions=False)),
        "dla": _mysql(MySQLServer(transactions=False, read_only_transactions=False)),
        "lindorm": _mysql(MySQLServer(transactions=False, read_only_transactions=False)),
        "postgres": _postgres(PostgresServer()),
        "polardb_oracle": _postgres(PostgresServer()),
        "analyticdb_postgres": _postgres(PostgresServer()),
        "hologres": _postgres(PostgresServer(transactions=False)),
        "sqlite": SourceType(SQLiteServer(), "sqlite", "apache-airflow-providers-sqlite"),
    }
)


def source_type(conn_type: str) -> SourceType:
    """Return how connections of a type are reached.

    :raises UnknownSource: the type is not in the table
    """
    try:
        return SOURCE_TYPES[conn_type]
    except KeyError:
        raise UnknownSource(conn_type) from None
