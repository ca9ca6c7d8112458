"""Runs a program that ends when its parent does, however that ends: ``child.py PARENT PROGRAM ARGUMENT…``.

Only the standard library: this file is started by its path, in a process of its own.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Bind this process to its parent, and become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    try:
        failed = ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except AttributeError:
        failed = -1
    if failed:
        sys.exit("only Linux can end a program with its parent")
    if os.getppid() != parent:
        sys.exit("the parent has ended")
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
