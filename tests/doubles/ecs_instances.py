"""Scripts on the instances of :mod:`tests.doubles.ecs`: real processes, each with a group of its own."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

KEPT_AT_EACH_END = 12 * 1024
"""Bytes of output; of more, the middle is dropped, as the agent on an instance does."""

_forking = threading.Lock()


@dataclass
class Execution:
    """One script on one instance."""

    instance: str
    status: str = "Pending"
    exit_code: int | None = None
    error_code: str = ""
    error_info: str = ""
    output: bytes = b""
    dropped: int = 0
    process: subprocess.Popen[bytes] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def end(self, status: str, *, exit_code: int | None = None, code: str = "", info: str = "") -> None:
        self.status, self.exit_code, self.error_code, self.error_info = status, exit_code, code, info

    def keep(self, output: bytes) -> None:
        self.dropped = max(0, len(output) - 2 * KEPT_AT_EACH_END)
        self.output = output[:KEPT_AT_EACH_END] + output[-KEPT_AT_EACH_END:] if self.dropped else output


class Instances:
    """What runs scripts, as the agent does: from a file, by ``sh -c``; PowerShell and batch are not run.

    :param ids: of the instances that are there
    """

    def __init__(self, ids: tuple[str, ...]) -> None:
        self.ids = ids
        self.folder = Path(tempfile.mkdtemp(prefix="dms-ecs-"))
        self.started: list[tuple[str, str]] = []
        """Invocation and instance of each script that was started."""
        self.overlaps = 0
        """How often a script was started on an instance where another still ran."""
        self.agents_are_up = threading.Event()
        """Without it scripts stay pending."""
        self.agents_are_up.set()
        self.obey_stop = True
        self.windows_output = b""
        """What every PowerShell and batch script prints."""
        self._executions: list[Execution] = []

    def close(self) -> None:
        self.agents_are_up.set()
        for execution in self._executions:
            self._kill(execution, "Terminated")
        shutil.rmtree(self.folder, ignore_errors=True)

    def begin(self, invoke_id: str, instance: str, parameters: dict[str, str]) -> Execution:
        """Have a script run, in a thread of its own."""
        execution = Execution(instance)
        self._executions.append(execution)
        threading.Thread(target=self._run, args=(invoke_id, execution, parameters), daemon=True).start()
        return execution

    def stop(self, execution: Execution) -> None:
        """Stop a script, and all processes of its group."""
        if not self.obey_stop:
            return
        with execution.lock:
            if execution.status == "Pending":
                execution.end("Cancelled")
                return
            if execution.status != "Running":
                return
            execution.status = "Stopping"
        threading.Timer(0.05, self._kill, (execution, "Terminated")).start()

    def _run(self, invoke_id: str, execution: Execution, parameters: dict[str, str]) -> None:
        self.agents_are_up.wait()
        script = base64.b64decode(parameters["CommandContent"])
        shell = parameters["Type"] == "RunShellScript"
        directory = parameters.get("WorkingDir") or str(self.folder)
        file = self.folder / f"{parameters.get('Name', '')}-{invoke_id}-{execution.instance}.sh"
        with execution.lock:
            if execution.status != "Pending":
                return
            if not os.path.isdir(directory) and shell:
                info = "the specified directory does not exists"
                execution.end("Failed", code="DirectoryNotExists", info=info)
                return
            self.started.append((invoke_id, execution.instance))
            self.overlaps += any(
                other.instance == execution.instance and other.status in ("Running", "Stopping")
                for other in self._executions
            )
            if not shell:
                execution.keep(self.windows_output)
                execution.end("Success", exit_code=0)
                return
            # A process forked while the file is open for writing would hold it open: "Text file busy".
            with _forking:
                file.write_bytes(script)
                file.chmod(0o755)
                execution.process = subprocess.Popen(
                    ["sh", "-c", str(file)],
                    cwd=directory,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env={"PATH": os.environ["PATH"], "INSTANCE": execution.instance},
                )
            execution.status = "Running"
        try:
            output, _ = execution.process.communicate(timeout=float(parameters.get("Timeout", "60")))
        except subprocess.TimeoutExpired:
            self._kill(execution, "Timeout")
            return
        execution.process.wait()
        with execution.lock:
            execution.keep(output)
            if execution.status == "Running":
                code = execution.process.returncode
                if code == 0:
                    execution.end("Success", exit_code=0)
                else:
                    info = "the command execution exit code is not zero"
                    execution.end("Failed", exit_code=code, code="ExitCodeNonzero", info=info)

    @staticmethod
    def _kill(execution: Execution, status: str) -> None:
        with execution.lock:
            if execution.process is not None and execution.status in ("Running", "Stopping"):
                with suppress(ProcessLookupError):
                    os.killpg(execution.process.pid, signal.SIGKILL)
                timed_out = status == "Timeout"
                code = "ExecutionTimeout" if timed_out else "ExecutionInterrupted"
                info = f"the command execution has been {'timeout' if timed_out else 'interrupted'}"
                execution.end(status, code=code, info=info)
