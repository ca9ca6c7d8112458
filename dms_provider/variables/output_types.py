"""What a value of each output type looks like, wherever it is asked.

Source: flow-spec, *sql_assignment*, ``type``.
"""

from __future__ import annotations

import re
from datetime import datetime

MAX_DIGITS = 65
"""Of one number; as many as MySQL's DECIMAL has."""

_NUMBER = re.compile(r"-?(?=[0-9.]{1,66}\Z)(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?: [0-9]{2}:[0-9]{2}:[0-9]{2})?")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_]{1,64}")


def is_number(text: str) -> bool:
    """Return whether a text is a plain decimal number of at most :data:`MAX_DIGITS` digits."""
    return bool(_NUMBER.fullmatch(text)) and sum(map(str.isdigit, text)) <= MAX_DIGITS


def is_date(text: str) -> bool:
    """Return whether a text is a day, or a day and a time, of the calendar, as ``yyyy-MM-dd HH:mm:ss``."""
    if not _DATE.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_identifier(text: str) -> bool:
    """Return whether a text can be a name, or a part of one: 1 to 64 of ``A-Z a-z 0-9 _``."""
    return bool(_IDENTIFIER.fullmatch(text))
