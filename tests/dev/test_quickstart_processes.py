"""Nothing that the quick start starts is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

# Stands for Airflow: a component with a child, both deaf to SIGTERM.
PROGRAM = """
import contextlib, os, signal, sys, time
from pathlib import Path
from dev.quickstart_app import processes

processes.airflow_command = lambda *words: ["sh", "-c", "trap '' TERM; sleep 300 & echo $!; wait; wait"]
processes.PATIENCE = 0.3
signal.signal(signal.SIGINT, signal.default_int_handler)
logs = Path(sys.argv[1])
with processes.AirflowProcesses(os.environ, logs) as airflow:
    airflow.start("one", "x")
    airflow.start("two", "x")
    while not (airflow.log("one").read_text() and airflow.log("two").read_text()):
        time.sleep(0.02)
    with contextlib.suppress(KeyboardInterrupt):
        print(*processes.descendants(os.getpid()), flush=True)
        time.sleep(300)
print("ended", flush=True)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        started = [int(pid) for pid in program.stdout.readline().split()]
        assert len(started) == 4
        assert all(alive(pid) for pid in started)
        program.send_signal(signal.SIGINT)
        assert program.stdout.readline() == "ended\n"
    assert program.returncode == 0
    assert not any(alive(pid) for pid in started)


def test_a_component_that_ends_is_told_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dev.quickstart_app import processes
    from dev.quickstart_app.settings import QuickstartError

    monkeypatch.setattr(processes, "airflow_command", lambda *words: ["sh", "-c", "echo no database; exit 7"])
    airflow = processes.AirflowProcesses(os.environ, tmp_path)
    airflow.start("scheduler", "scheduler")
    while airflow.log("scheduler").read_text(encoding="utf-8") == "":
        time.sleep(0.02)
    time.sleep(0.2)
    with pytest.raises(QuickstartError) as raised:
        airflow.check()
    assert "scheduler ended with status 7" in str(raised.value)
    assert str(raised.value).endswith("no database")
