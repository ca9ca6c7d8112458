"""MaxCompute."""

from __future__ import annotations

from typing import Final

from dms_provider.dialects.dialect import Dialect
from dms_provider.dialects.lexer import ASCII_NAME, LexicalRules
from dms_provider.dialects.modes import Mode
from dms_provider.dialects.statements import SplittingRules

MAXCOMPUTE: Final = Dialect(
    name="MaxCompute",
    rules=LexicalRules(word=ASCII_NAME, backticks=True),
    splitting=SplittingRules(),
    default_mode=Mode(backslash_escapes=True, double_quotes="literal"),
    transactions=False,
    backslashed_quotes=True,
)
