"""MaxCompute."""

from __future__ import annotations

import re
from typing import Final

from dms_provider.dialects.aggregates import Aggregates
from dms_provider.dialects.base import Dialect
from dms_provider.dialects.lexer import WORD_OR_NUMBER, LexicalRules
from dms_provider.dialects.modes import Mode
from dms_provider.dialects.statements import SplittingRules

_SCRIPT_MODE: Final = re.compile(
    r"^\s*(?:set\s+odps\.sql\.submit\.mode\s*=\s*script\b|@\w+\s*(?:\w+\s*)?:=)", re.IGNORECASE | re.MULTILINE
)

MAXCOMPUTE: Final = Dialect(
    name="MaxCompute",
    rules=LexicalRules(word=WORD_OR_NUMBER, backticks=True),
    splitting=SplittingRules(whole_script=_SCRIPT_MODE),
    default_mode=Mode(backslash_escapes=True, double_quotes="literal"),
    transactions=False,
    backslashed_quotes=True,
    identifier_quotes="``",
    aggregates=Aggregates(stddev="STDDEV({c})", match="{c} RLIKE {x}", now="MAX(GETDATE())"),
)
