"""The one table of dialects: connection type of Airflow -> dialect.

Source: flow-spec, *Data sources*.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Final

from dms_provider.dialects.base import Dialect

_DIALECTS: Final = {
    "mysql": "mysql:MYSQL",
    "polardbx": "mysql:MYSQL",
    "analyticdb_mysql": "mysql:MYSQL",
    "dla": "mysql:MYSQL",
    "lindorm": "mysql:MYSQL",
    "oceanbase": "mysql:MYSQL",
    "postgres": "postgres:POSTGRES",
    "polardb_oracle": "postgres:POSTGRES",
    "analyticdb_postgres": "postgres:POSTGRES",
    "hologres": "postgres:POSTGRES",
    "sqlite": "sqlite:SQLITE",
    "mssql": "mssql:MSSQL",
    "oracle": "oracle:ORACLE",
    "oceanbase_oracle": "oracle:ORACLE",
    "dm": "oracle:DM",
    "ibmdb2": "db2:DB2",
    "maxcompute": "maxcompute:MAXCOMPUTE",
}

CONN_TYPES: Final = frozenset(_DIALECTS)
"""Every connection type that has a dialect."""


class UnknownDialect(LookupError):
    """No dialect belongs to a connection type.

    :param conn_type: that type
    """

    def __init__(self, conn_type: str) -> None:
        super().__init__(
            f"connection type {conn_type!r} is no SQL database known here; "
            f"known: {', '.join(sorted(CONN_TYPES))}"
        )
        self.conn_type = conn_type

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.conn_type,)


@cache
def dialect(conn_type: str) -> Dialect:
    """Return the dialect of a connection type.

    :raises UnknownDialect: there is none
    """
    if conn_type not in _DIALECTS:
        raise UnknownDialect(conn_type)
    module, name = _DIALECTS[conn_type].split(":")
    found: Dialect = getattr(import_module(f"dms_provider.dialects.{module}"), name)
    return found
