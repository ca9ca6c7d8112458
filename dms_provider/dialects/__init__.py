"""SQL dialects: how a script is split, where data may stand in a statement, and what a statement does."""

from __future__ import annotations

from dms_provider.dialects.base import Dialect
from dms_provider.dialects.binding import bind
from dms_provider.dialects.expressions import is_balanced
from dms_provider.dialects.modes import Mode, UnknownMode
from dms_provider.dialects.names import WrongName, quoted_name
from dms_provider.dialects.queries import is_query, query_problem
from dms_provider.dialects.refusals import RefusedValue
from dms_provider.dialects.statements import Statement, StatementReader
from dms_provider.dialects.substitution import refused_places, substitute
from dms_provider.dialects.table import CONN_TYPES, UnknownDialect, all_dialects, dialect
from dms_provider.dialects.transactions import commits_by_itself

__all__ = [
    "CONN_TYPES",
    "Dialect",
    "Mode",
    "RefusedValue",
    "Statement",
    "StatementReader",
    "UnknownDialect",
    "UnknownMode",
    "WrongName",
    "all_dialects",
    "bind",
    "commits_by_itself",
    "dialect",
    "is_balanced",
    "is_query",
    "query_problem",
    "quoted_name",
    "refused_places",
    "substitute",
]
