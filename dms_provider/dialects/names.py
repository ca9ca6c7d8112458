"""Names of tables and columns that are values of their own, not part of an author's SQL.

Source: flow-spec, *Variables*: data in an identifier is ``[A-Za-z0-9_]{1,64}``.
"""

from __future__ import annotations

import re

from dms_provider.dialects.base import Dialect
from dms_provider.dialects.refusals import RefusedValue, shortened
from dms_provider.variables.output_types import is_identifier
from dms_provider.variables.references import Text

_PART = re.compile(
    r'\s*(?:"(?P<double>(?:[^"]|"")+)"|`(?P<back>(?:[^`]|``)+)`|\[(?P<bracket>(?:[^\]]|\]\])+)\]'
    r"|(?P<plain>[^.\"`\[\]]+?))\s*(?P<end>\.|\Z)"
)
_DOUBLED = {"double": '"', "back": "`", "bracket": "]"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class WrongName(ValueError):
    """A text is no name of a table or column. The message shows it and says why."""


def quoted_name(name: Text, dialect: Dialect) -> str:
    """Return a name as SQL: every part of it is quoted, and so means what it says, reserved words too.

    :param name: as the database's catalogue has it, with a point between two parts; a part with a point in
        it stands in double quotes, backticks or square brackets
    :raises WrongName: it is none
    :raises RefusedValue: data in it is no identifier
    """
    text = ""
    for part in name:
        if isinstance(part, str):
            text += part
        elif len(part.data.elements) == 1 and is_identifier(part.data.text):
            text += part.data.text
        else:
            remedy = "give a value of 1 to 64 of A-Z a-z 0-9 _"
            raise RefusedValue(part.name, "in a name", remedy, part.data.text)
    opening, closing = dialect.identifier_quotes[0], dialect.identifier_quotes[1]
    return ".".join(
        f"{opening}{part.replace(closing, closing * 2)}{closing}" for part in _parts(text.strip())
    )


def _parts(text: str) -> list[str]:
    if control := _CONTROL.search(text):
        raise WrongName(f"{shortened(text)} is no name: it holds the character U+{ord(control.group()):04X}")
    parts: list[str] = []
    start = 0
    while (found := _PART.match(text, start)) is not None:
        quoted = next((kind for kind in _DOUBLED if found[kind] is not None), None)
        parts.append(
            found["plain"]
            if quoted is None
            else found[quoted].replace(_DOUBLED[quoted] * 2, _DOUBLED[quoted])
        )
        start = found.end()
        if not found["end"]:
            return parts
    raise WrongName(
        f"{shortened(text)} is no name: write its parts with a point between them; a part with a point or a"
        ' quote in it stands in double quotes, "like.this"'
    )
