"""One expression that takes its place in a statement of ours, such as ``where``.

Source: flow-spec, *Variables*: "``where`` is one balanced expression".
"""

from __future__ import annotations

from dms_provider.dialects import lexer
from dms_provider.dialects.base import Dialect
from dms_provider.dialects.modes import Mode
from dms_provider.dialects.sources import Source
from dms_provider.variables.references import Text


def is_balanced(expression: Text, dialect: Dialect, mode: Mode | None = None) -> bool:
    """Return whether a text stays between the parentheses that are put around it, on lines of their own.

    :param expression: author's text and data references, whatever their data
    :param mode: of the session; default: the dialect's own
    """
    depth = 0
    for kind, _, _ in dialect.lexicon(mode).tokens(Source(expression).text):
        if kind == lexer.OPEN:
            depth += 1
        elif kind == lexer.CLOSE:
            depth -= 1
            if depth < 0:
                return False
        elif kind in (lexer.DELIMITER, lexer.UNTERMINATED):
            return False
    return depth == 0
