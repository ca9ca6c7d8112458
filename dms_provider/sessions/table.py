"""The server behind connections of a type, as the table of data sources says."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from dms_provider.data_sources import DATA_SOURCES
from dms_provider.sessions.server import Server


class UnknownSource(LookupError):
    """Nodes cannot run SQL over connections of this type.

    :param conn_type: that type
    """

    def __init__(self, conn_type: str) -> None:
        known = ", ".join(name for name, source in DATA_SOURCES.items() if source.server)
        super().__init__(f"connection type {conn_type!r} cannot run SQL here; known types are {known}")
        self.conn_type = conn_type

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.conn_type,)


@cache
def server(conn_type: str) -> Server:
    """Return what is at the other end of connections of a type. No driver is loaded for it.

    :raises UnknownSource: no node can run SQL over them
    """
    source = DATA_SOURCES.get(conn_type)
    if source is None or source.server is None:
        raise UnknownSource(conn_type)
    module, name = source.server.split(":")
    kind: type[Server] = getattr(import_module(f"dms_provider.sessions.{module}"), name)
    return kind(**source.server_options)
