"""What the meaning of a SQL text depends on in one session, beside the dialect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DoubleQuotes = Literal["identifier", "literal", "unknown"]
Repertoire = Literal["unicode", "bmp", "latin1", "ascii"]


@dataclass(frozen=True, slots=True)
class Mode:
    """How a session reads SQL at this moment. A script can change it from statement to statement.

    :param backslash_escapes: a backslash in a plain literal escapes what follows it
    :param double_quotes: what stands between double quotes
    :param brackets: ``[name]`` is a quoted identifier
    :param repertoire: the characters that reach the server as they are and that cannot merge with a quote or
        a backslash on the way: all, those of the Basic Multilingual Plane, of Latin-1, or of ASCII
    :param known: the server told; otherwise the other attributes are a guess, and data must mean the same in
        every mode
    """

    backslash_escapes: bool = False
    double_quotes: DoubleQuotes = "identifier"
    brackets: bool = False
    repertoire: Repertoire = "unicode"
    known: bool = True


class UnknownMode(ValueError):
    """The server's answer to a dialect's mode query cannot be understood."""
