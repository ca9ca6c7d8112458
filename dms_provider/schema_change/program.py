"""A program that a node runs beside its session: it never outlives the node, and its words go to the log."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from dms_provider.schema_change import child

_LOOK_SECONDS: Final = 0.2
_LAST_LINES: Final = 12
_CHUNK: Final = 65_536
_WARNING: Final = "Copying rows caused a MySQL error"


class Program:
    """A running program; use it in a ``with`` statement, in the thread that lives as long as the program may.

    :param arguments: its path, and what follows
    :param keep_open: a file descriptor that it gets
    """

    def __init__(self, arguments: Sequence[str], *, keep_open: int) -> None:
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self.warnings: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(Path(child.__file__)), str(os.getpid()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(keep_open,),
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LC_ALL": "C"},
        )

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def lines(self, meanwhile: Callable[[], None]) -> Iterator[str]:
        """Yield what the program says, line by line, to its end.

        :param meanwhile: called again and again; what it raises ends the program
        """
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while True:
                meanwhile()
                if not selector.select(_LOOK_SECONDS):
                    continue
                chunk = os.read(output, _CHUNK)
                *complete, rest = (rest + chunk).split(b"\n") if chunk else (rest, b"")
                for line in complete:
                    yield from self._noted(line)
                if not chunk:
                    return

    def wait(self) -> int:
        """Wait for the end of the program, whose output has ended, and return its exit status."""
        return self._process.wait()

    def _noted(self, line: bytes) -> Iterator[str]:
        if text := line.decode("utf-8", "replace").strip():
            self.last_lines.append(text)
            if _WARNING in text:
                self.warnings.append(text)
            yield text
