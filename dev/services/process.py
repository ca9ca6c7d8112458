"""A server process that cannot outlive the process that started it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class ServerProcessError(RuntimeError):
    """A server did not start or did not answer in time; the message ends with the tail of its log."""


class ServerProcess:
    """
    One server in its own process group, killed by the kernel when its parent dies.

    Start it in a thread that lives as long as the server shall: the kernel watches the thread that forked.

    :param command: program and arguments.
    :param log: file that gets standard output and standard error.
    :param account: system user to run as; None for the caller's own.
    :param death_signal: what the kernel sends to the server when the parent is gone.
    :param environment: variables added to the caller's.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        account: str | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        self.program = str(command[0])
        parent = os.getpid()

        def die_with_parent() -> None:
            _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

        with log.open("ab") as output:
            # A change of user clears the death signal; Popen calls preexec_fn behind that change.
            self._popen = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                preexec_fn=die_with_parent,
                user=account,
                group=account,
                extra_groups=None if account is None else [],
            )

    @property
    def pid(self) -> int:
        pid: int = self._popen.pid
        return pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, timeout: float) -> None:
        """
        Wait until the server answers.

        :param ready: asked every 50 ms; true once the server answers.
        :param timeout: seconds.
        :raises ServerProcessError: the process ended or did not answer in time.
        """
        deadline = time.monotonic() + timeout
        while not ready():
            status = self._popen.poll()
            if status is not None:
                raise ServerProcessError(f"{self.program} ended with status {status}\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerProcessError(
                    f"{self.program} did not answer within {timeout:g} s\n{self.log_tail()}"
                )
            time.sleep(0.05)

    def stop(self, stop_signal: signal.Signals = signal.SIGTERM, *, timeout: float = 10.0) -> int:
        """
        End the server: politely first, then the whole process group by SIGKILL.

        :param stop_signal: the polite way.
        :param timeout: seconds until SIGKILL.
        :return: its exit status.
        """
        if self.running:
            self._popen.send_signal(stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        status: int = self._popen.wait()
        return status

    def log_tail(self, lines: int = 30) -> str:
        """:return: the last lines of the server's log."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def run(command: Sequence[str | Path], *, account: str | None = None) -> None:
    """
    Run a set-up program to its end.

    :param command: program and arguments.
    :param account: system user to run as; None for the caller's own.
    :raises ServerProcessError: it failed; with the end of what it printed.
    """
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        check=False,
        user=account,
        group=account,
        extra_groups=None if account is None else [],
    )
    if done.returncode:
        tail = "\n".join(done.stdout.decode(errors="replace").splitlines()[-30:])
        raise ServerProcessError(f"{command[0]} ended with status {done.returncode}\n{tail}")
