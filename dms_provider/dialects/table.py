"""The dialect of a connection type, as the table of data sources says."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Final

from dms_provider.data_sources import DATA_SOURCES
from dms_provider.dialects.base import Dialect

CONN_TYPES: Final = frozenset(name for name, source in DATA_SOURCES.items() if source.dialect)
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


def dialect(conn_type: str) -> Dialect:
    """Return the dialect of a connection type.

    :raises UnknownDialect: there is none
    """
    source = DATA_SOURCES.get(conn_type)
    if source is None or source.dialect is None:
        raise UnknownDialect(conn_type)
    return _imported(source.dialect)


@cache
def all_dialects() -> tuple[Dialect, ...]:
    """Return each dialect once, the most usual first; of its variants, such as Hologres', the first."""
    paths = dict.fromkeys(source.dialect for source in DATA_SOURCES.values() if source.dialect)
    found: dict[str, Dialect] = {}
    for path in paths:
        found.setdefault(_imported(path).name, _imported(path))
    return tuple(found.values())


@cache
def _imported(path: str) -> Dialect:
    module, name = path.split(":")
    found: Dialect = getattr(import_module(f"dms_provider.dialects.{module}"), name)
    return found
