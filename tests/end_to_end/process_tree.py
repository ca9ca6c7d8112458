"""Runs one command, and ends with it everything that came of it.

Airflow's components start processes in sessions of their own, which no signal to a process group reaches.
Here they cannot get away: who loses its parent becomes a child of this program.

usage: process_tree.py COMMAND... ; SIGTERM ends the command politely first, SIGINT kills all at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from types import FrameType

from dev.quickstart_app.processes import PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG, descendants

PATIENCE = 8.0
"""Seconds that the command has to end by itself after SIGTERM."""

_libc = ctypes.CDLL(None, use_errno=True)


class Ended(BaseException):
    """A signal says that all has to end."""


def run(command: list[str]) -> int:
    """Run a command until it ends or a signal comes; no descendant is left behind.

    :return: exit status of the command
    """
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    child = subprocess.Popen(command, preexec_fn=_start_like_from_a_shell)
    try:
        while (status := child.poll()) is None:
            _reap_until(child, time.monotonic() + 1)
        return status
    except Ended as reason:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if reason.args[0] == signal.SIGTERM:
            child.terminate()
            _reap_until(child, time.monotonic() + PATIENCE)
        return 128 + int(reason.args[0])
    finally:
        kill_descendants()


def kill_descendants() -> None:
    """Kill whatever this process has started, directly or not, until nothing is left."""
    while children := list(descendants(os.getpid())):
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        time.sleep(0.02)


def _reap_until(child: subprocess.Popen[bytes], deadline: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(max(0.0, deadline - time.monotonic()))


def _start_like_from_a_shell() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    raise Ended(number)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
