"""A clock of their own for programs, that can be put to any later moment while they run."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

SOURCE = Path(__file__).with_name("moved_clock.c")


class MovedClock:
    """The clock of all programs that are started with :attr:`environment`; it goes on as the real one does.

    A library that is loaded into them, ``moved_clock.c``, adds to every time of day that they read.
    (libfaketime 0.9.10 cannot do this: ``time.sleep`` fails unless the clocks of durations are moved too.)

    :param folder: gets the library, and the file that says how far the clock is moved
    :param start: what the clock shows at first; aware
    :raises subprocess.CalledProcessError: the library could not be compiled
    """

    def __init__(self, folder: Path, start: datetime) -> None:
        library = folder / "moved_clock.so"
        self._file = folder / "moved_clock"
        self.environment = {"LD_PRELOAD": str(library), "MOVED_CLOCK": str(self._file)}
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-o", library, SOURCE], check=True)
        self._file.touch()
        self._set(start)

    @property
    def ahead(self) -> timedelta:
        """How far the clock is ahead of the real one."""
        return self._ahead

    def now(self) -> datetime:
        """Return what the clock shows, in UTC."""
        return datetime.now(timezone.utc) + self._ahead

    def move(self, to: datetime) -> None:
        """Put the clock forward; every program knows at once.

        :param to: aware, later than now
        :raises ValueError: it would go back
        """
        if to < self.now():
            raise ValueError(f"the clock shows {self.now()} already; it does not go back to {to}")
        self._set(to)

    def _set(self, to: datetime) -> None:
        self._ahead = to - datetime.now(timezone.utc)
        nanoseconds = self._ahead // timedelta(microseconds=1) * 1000
        # in place: the programs have it mapped
        file = os.open(self._file, os.O_WRONLY)
        try:
            os.pwrite(file, nanoseconds.to_bytes(8, sys.byteorder, signed=True), 0)
        finally:
            os.close(file)
