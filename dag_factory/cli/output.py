"""What a command prints: its result on standard output, everything else on standard error."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from dag_factory.diagnostics import Problem


def print_lines(lines: Iterable[str]) -> None:
    """Print text in one go: thousands of lines cost one write."""
    text = "\n".join(lines)
    if text:
        _write(f"{text}\n")


def print_json(document: Any) -> None:
    """Print one JSON document."""
    _write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def shown(problem: Problem) -> str:
    """Return the line for people: a warning says that it is one."""
    return str(problem) if problem.severity == "error" else f"{problem} (warning)"


def note(message: str) -> None:
    """Tell the person at the keyboard something that is no result."""
    print(message, file=sys.stderr)


def _write(text: str) -> None:
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        # A file name or a message may hold what the terminal's encoding does not have.
        stream.reconfigure(errors="backslashreplace")
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        # The reader, such as head, has seen enough. Python would complain again when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
