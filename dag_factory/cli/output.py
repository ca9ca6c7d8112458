"""What a command prints: its result on standard output, everything else on standard error."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from dag_factory.diagnostics import Problem

_results: TextIO | None = None
"""Where results go, if that is not ``sys.stdout``."""


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


@contextmanager
def results_alone_on_stdout() -> Iterator[None]:
    """Have all that others write to standard output, such as the log of Airflow, go to standard error."""
    global _results
    try:
        stdout, stderr = sys.stdout.fileno(), sys.stderr.fileno()
    except (OSError, ValueError):
        # Neither is a file, so what writes into one cannot be told from a result.
        yield
        return
    sys.stdout.flush()
    with os.fdopen(os.dup(stdout), "w", encoding=sys.stdout.encoding) as results:
        _results = results
        os.dup2(stderr, stdout)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(results.fileno(), stdout)
            _results = None


def _write(text: str) -> None:
    stream = _results or sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        # A file name or a message may hold what the terminal's encoding does not have.
        stream.reconfigure(errors="backslashreplace")
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        # The reader, such as head, has seen enough. Python would complain again when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
