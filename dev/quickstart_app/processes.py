"""Airflow's processes, and the certainty that none of them is left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from dev.quickstart_app.settings import QuickstartError

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
PATIENCE = 10.0

_libc = ctypes.CDLL(None, use_errno=True)


def airflow_command(*words: str) -> list[str]:
    """Return an ``airflow`` command, run by the Python that runs this program.

    :param words: of an ``airflow`` command
    """
    return [sys.executable, "-m", "airflow", *words]


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


class AirflowProcesses:
    """Everything that this quick start runs; a context manager that ends all of it, and what came of it.

    :param environment: of every process
    :param logs: folder of their logs
    """

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self._environment = dict(environment)
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *words: str) -> None:
        """Start a command in a process group of its own, so that Ctrl-C reaches only this program.

        :param name: of its log
        :param words: the ``airflow`` command
        """
        with self.log(name).open("wb") as output:
            self._running[name] = subprocess.Popen(
                airflow_command(*words),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._logs.parent,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def start_airflow(self) -> None:
        """Start every component of Airflow."""
        for component in COMPONENTS:
            self.start(component, component)

    def finish(self, name: str) -> None:
        """Wait for a command that ends by itself.

        :param name: as given to ``start``
        :raises QuickstartError: it failed
        """
        status = self._running.pop(name).wait()
        if status:
            raise QuickstartError(f"airflow {name} ended with status {status}", self.log(name))

    def check(self) -> None:
        """:raises QuickstartError: a component ended by itself."""
        for name, process in self._running.items():
            status = process.poll()
            if status is not None:
                raise QuickstartError(f"Airflow's {name} ended with status {status}", self.log(name))

    def log(self, name: str) -> Path:
        """Return the log of a command."""
        return self._logs / f"{name}.log"

    @contextlib.contextmanager
    def needed(self, name: str) -> Iterator[None]:
        """Let an error that has no log of its own show the log of the process that was waited for.

        :param name: as given to ``start``
        """
        try:
            yield
        except QuickstartError as error:
            if error.log is None:
                error.log = self.log(name)
            raise

    def stop(self) -> None:
        """End all processes: politely, then by SIGKILL, until no descendant is left."""
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + PATIENCE
        while any(process.poll() is None for process in self._running.values()):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        self._running.clear()
        while children := list(descendants(os.getpid())):
            for pid in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG) != (0, 0):
                    pass
            time.sleep(0.02)

    def __enter__(self) -> AirflowProcesses:
        # Orphans become children of this process, so that even those of a killed component are found.
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        return self

    def __exit__(self, *_: object) -> None:
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.stop()
        finally:
            signal.signal(signal.SIGINT, previous)


def descendants(pid: int) -> Iterator[int]:
    """Find a process's children, their children and so on, dead ones that nobody waited for included.

    :param pid: process id
    :return: process ids
    """
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (
                    (entry / "stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
                )
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    waiting = list(children.get(pid, ()))
    while waiting:
        child = waiting.pop()
        yield child
        waiting.extend(children.get(child, ()))
