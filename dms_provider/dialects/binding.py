"""Data as parameters of a statement, where the driver sends them apart from it.

Source: flow-spec, *Variables*: "bound as parameters where the driver can".
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from dms_provider.dialects import lexer
from dms_provider.dialects.base import Dialect
from dms_provider.dialects.modes import Mode
from dms_provider.dialects.sources import Source
from dms_provider.dialects.substitution import substitute
from dms_provider.variables.references import Text

_IN_FRONT = frozenset({"=", "<", ">", "LIKE", "ILIKE", "BETWEEN", "AND"})
"""Behind these a literal is an operand, and a parameter in its place is read as the literal would be. Behind
others it may be a part of a type, as in ``DATE '…'``, or an argument whose type only a literal tells."""
_UNIMPORTANT = frozenset({lexer.COMMENT, lexer.EXECUTABLE, lexer.EXECUTABLE_END})


def bind(
    statement: Text, dialect: Dialect, mode: Mode, placeholder: str | None
) -> tuple[str, tuple[str, ...]]:
    """Put the data into one statement, as parameters where that can be.

    A reference that is a whole literal, ``'${name}'``, beside an operator becomes a parameter. All other data
    goes in as :func:`substitute` does it.

    :param mode: how the session reads SQL at this moment
    :param placeholder: of the driver; ``None`` for a driver that only knows how to write literals
    :return: the SQL text, and the parameters in their order; without any, the text is not for formatting
    :raises RefusedValue: a value may not stand where its reference stands
    """
    sql = substitute(statement, dialect, mode)
    if placeholder is None:
        return sql, ()
    source = Source(statement)
    mark = f"dms_{secrets.token_hex(8)}"
    parts: list[Text] = []
    parameters: list[str] = []
    behind = 0
    for start, end, value in _operands(source, dialect, mode):
        parts.append((*source.cut(behind, start), mark))
        parameters.append(value)
        behind = end
    if not parameters:
        return sql, ()
    parts.append(source.cut(behind, len(source.text)))
    marked = substitute(tuple(piece for part in parts for piece in part), dialect, mode)
    if placeholder == "%s":
        marked = marked.replace("%", "%%")
    return marked.replace(mark, placeholder), tuple(parameters)


def _operands(source: Source, dialect: Dialect, mode: Mode) -> Iterator[tuple[int, int, str]]:
    """Yield start and end of each literal that is one value and an operand, and that value."""
    tokens = [token for token in dialect.lexicon(mode).tokens(source.text) if token[0] not in _UNIMPORTANT]
    for index, (kind, start, end) in enumerate(tokens[1:], start=1):
        if kind != lexer.STRING or end - start != 3 or source.text[start] != "'":
            continue
        _, before, before_end = tokens[index - 1]
        found = source.references(start, end)
        if (
            found
            and len(found[0][1].data.elements) == 1
            and source.text[before:before_end].upper() in _IN_FRONT
            and not (index + 1 < len(tokens) and tokens[index + 1][0] == lexer.STRING)
        ):
            yield start, end, found[0][1].data.text
