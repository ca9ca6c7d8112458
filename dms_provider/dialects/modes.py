"""What the meaning of a SQL text depends on in one session, beside the dialect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DoubleQuotes = Literal["identifier", "literal", "unknown"]
Repertoire = Literal["unicode", "bmp", "ascii"]


@dataclass(frozen=True, slots=True)
class Mode:
    """How a session reads SQL at this moment. A script can change it from statement to statement.

    :param backslash_escapes: a backslash in a plain literal escapes what follows it
    :param double_quotes: what stands between double quotes
    :param brackets: ``[name]`` is a quoted identifier
    :param repertoire: the characters that reach the server as they are: all, those of the Basic Multilingual
        Plane, or those of ASCII
    :param merging_bytes: the server may take a quote or a backslash for the second byte of a character
    :param known: the server told; otherwise the other attributes are a guess, and data must mean the same in
        every mode
    """

    backslash_escapes: bool = False
    double_quotes: DoubleQuotes = "identifier"
    brackets: bool = False
    repertoire: Repertoire = "unicode"
    merging_bytes: bool = False
    known: bool = True


class UnknownMode(ValueError):
    """The server's answer to a dialect's mode query cannot be understood."""


def as_text(value: object) -> str:
    """Return a value of a mode query as text: drivers give bytes where the session's encoding is none."""
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
