"""PostgreSQL's dates and times that Python has none for: they are read as the server writes them.

``infinity``, years before Christ and behind 9999, ``24:00:00``; and intervals of months and years, which
psycopg takes for 30 and 365 days.
"""

from __future__ import annotations

from typing import Any

_TIMES = ("date", "time", "timetz", "timestamp", "timestamptz")


def read_all_times(connection: Any) -> None:
    """Let a connection of psycopg 3 read each date and time; that of another driver stays as it is."""
    if not hasattr(connection, "adapters"):
        return
    from psycopg.pq import Format

    adapters = connection.adapters
    for name in (*_TIMES, "interval"):
        oid = adapters.types[name].oid
        loader = adapters.get_loader(oid, Format.TEXT)
        adapters.register_loader(oid, _or_text(loader, words=(b"mon", b"year") if name == "interval" else ()))


def _or_text(known: Any, *, words: tuple[bytes, ...]) -> Any:
    """Return a loader for what another one cannot read, or what has one of some words in it."""
    from psycopg import DataError
    from psycopg.adapt import Loader

    class OrText(Loader):
        def __init__(self, oid: int, connection: Any = None) -> None:
            super().__init__(oid, connection)
            self._known = known(oid, connection).load

        def load(self, data: Any) -> Any:
            if words and any(word in bytes(data) for word in words):
                return bytes(data).decode()
            try:
                return self._known(data)
            except DataError:
                return bytes(data).decode()

    return OrText
