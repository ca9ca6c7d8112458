"""No process of an Airflow instance is left behind, however the tests end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.end_to_end.airflow_instance import PROCESS_TREE, REPOSITORY

COMMAND = """\
import os, subprocess, sys, time
far = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
near = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {far!r}], start_new_session=True)"
subprocess.run([sys.executable, "-c", near])
print(os.getpid(), flush=True)
time.sleep(600)
"""
"""Starts a process in a session of its own, whose parent has ended, and waits."""

TESTS = """\
import signal, sys, time
from pathlib import Path
from dev.services.process import ServerProcess
command = [sys.executable, sys.argv[1], sys.executable, "-c", sys.argv[2]]
server = ServerProcess(command, log=Path(sys.argv[3]), death_signal=signal.SIGINT)
print(server.pid, flush=True)
time.sleep(600)
"""


def _wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 60
    while remaining := [pid for pid in pids if _is_running(pid)]:
        assert time.monotonic() < deadline, f"still running: {remaining}"
        time.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.parametrize("ending", ["tests killed", "killed", "ended"])
def test_nothing_is_left_behind(tmp_path: Path, ending: str) -> None:
    log = tmp_path / "log"
    tests = subprocess.Popen(
        [sys.executable, "-c", TESTS, str(PROCESS_TREE), COMMAND, str(log)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with tests:
        try:
            assert tests.stdout is not None
            tree = int(tests.stdout.readline())
            deadline = time.monotonic() + 60
            while len(log.read_text().split()) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            started = [tree, *map(int, log.read_text().split())]
            assert all(map(_is_running, started))
            if ending == "tests killed":
                tests.kill()
            else:
                os.kill(tree, signal.SIGINT if ending == "killed" else signal.SIGTERM)
            _wait_until_gone(started)
        finally:
            tests.kill()
