"""One problem of a spec file, as data; its text and JSON are renderings of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]
Path = tuple[str | int, ...]
"""Keys and list indexes from the top of a spec to a value, for example ``("nodes", "load", "after", 0)``."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem whose place is known as a path of keys, before anybody has looked for its line.

    :param path: of the value that is wrong; of the mapping that lacks something
    :param code: stable name of the kind of problem, for example ``unknown-key``
    :param message: what is wrong and what to do, one line
    :param at_key: the key is wrong, not the value below it
    :param offset: characters into the text at ``path``, where the problem lies inside a text such as ``sql``
    :param suggestion: the word that was probably meant
    """

    path: Path
    code: str
    message: str
    at_key: bool = False
    offset: int | None = None
    suggestion: str | None = None
    severity: Severity = "error"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with its place in a file. ``line`` and ``column`` count from 1.

    :param file: the file as it was named to us
    """

    file: str
    line: int
    column: int
    code: str
    message: str
    suggestion: str | None = None
    severity: Severity = "error"

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.code} {self.message}"
        return f"{text}; did you mean {self.suggestion}?" if self.suggestion else text

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``validate --output json`` prints."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "suggestion": self.suggestion,
        }


class SpecError(ValueError):
    """A spec file cannot become a flow.

    :param problems: all that is wrong with it, at least one error
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the word of ``known`` that ``word`` was probably meant to be, if one is close."""
    import difflib

    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return matches[0] if matches else None
