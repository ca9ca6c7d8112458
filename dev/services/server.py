"""What every test server has in common: a folder, a port, a login, a database, a life."""

from __future__ import annotations

import abc
import atexit
import os
import secrets
import shutil
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar
from urllib.parse import quote

from dev.services.process import ServerProcess, ServerProcessError

HOST = "127.0.0.1"
STARTS = 3


class ServerUnavailable(RuntimeError):
    """This machine cannot run that server; the message says what to install or why it could not be had."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Server(abc.ABC):
    """A database server for tests; a context manager that starts and stops it.

    It listens on 127.0.0.1 only, never waits for the disk, and ends with the process that started it.

    :param folder: where data and log go, made when missing; default: a temporary folder, removed by ``stop``
    """

    kind: ClassVar[str]
    conn_type: ClassVar[str]
    start_timeout: ClassVar[float] = 180.0

    host = HOST
    user = "dms"
    database = "dms"

    def __init__(self, folder: Path | None = None) -> None:
        self._temporary = folder is None
        self.folder = (
            Path(tempfile.mkdtemp(prefix=f"dms-{self.kind}-")) if folder is None else folder.resolve()
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "server.log"
        self.log.touch()
        self.password = secrets.token_hex(12)
        self.port = 0
        self.version = ""
        self._process: ServerProcess | None = None

    @abc.abstractmethod
    def connect(self, **options: Any) -> Any:
        """Open a connection with the driver that Airflow's hook uses.

        :param options: further arguments of the driver's ``connect``; they win over this server's own
        :return: a DB-API connection
        """

    @abc.abstractmethod
    def _prepare(self) -> None:
        """Make the data folder."""

    @abc.abstractmethod
    def _launch(self) -> ServerProcess:
        """Start the server on ``self.port``."""

    @abc.abstractmethod
    def _read_version(self) -> str:
        """Ask the running server; raises the driver's error while it does not answer."""

    @abc.abstractmethod
    def _terminate(self, process: ServerProcess) -> None:
        """End the server and its sessions."""

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """Return process id of the running server."""
        if self._process is None:
            raise ServerProcessError(f"{self.kind} is not running")
        return self._process.pid

    @property
    def airflow_uri(self) -> str:
        """Return value for an environment variable ``AIRFLOW_CONN_…``."""
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"{self.conn_type}://{login}@{self.host}:{self.port}/{self.database}"

    def start(self) -> Server:
        """Start the server and wait until it takes connections.

        :return: itself
        :raises ServerUnavailable: this machine does not have the program
        :raises ServerProcessError: the server did not come up
        """
        atexit.register(self.stop)
        self._prepare()
        for attempt in range(1, STARTS + 1):
            self.port = free_port()
            self._process = self._launch()
            try:
                self._process.wait_until(self._answers, timeout=self.start_timeout)
            except ServerProcessError:
                self._process.stop()
                # Another process may have taken the port between the probe and the start.
                if attempt == STARTS or "in use" not in self._process.log_tail().lower():
                    raise
            else:
                break
        return self

    def stop(self) -> None:
        """End the server; a temporary folder goes with it. Harmless when called again."""
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        if process is not None:
            self._terminate(process)
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            self.version = self._read_version()
        except Exception:  # the driver is imported on use, so its error class has no name here
            return False
        return True

    def __enter__(self) -> Server:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<{self.kind} {self.version} on {self.host}:{self.port}>"


def is_root() -> bool:
    """Return whether this process may act as any user."""
    return os.geteuid() == 0


def find_program(name: str, *folders: Path) -> Path | None:
    """Find a server's program.

    :param name: file name
    :param folders: looked into before the search path and the folders for system programs
    :return: its path, or None
    """
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    found = shutil.which(
        name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    )
    return Path(found) if found else None
