"""Where the quick start keeps its things, and how its Airflow is set up."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = CHECKOUT / "dev/examples/dags"
HOST = "127.0.0.1"
PREFERRED_PORT = 8080


class QuickstartError(Exception):
    """What is wrong, for the person at the terminal; with the tail of the log that tells more."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log

    def __str__(self) -> str:
        message = str(self.args[0])
        if self.log is None or not self.log.is_file():
            return message
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-25:]
        return "\n".join([message, f"--- the end of {self.log}", *lines])


@dataclass(frozen=True)
class Folders:
    """The quick start's own folder in the checkout.

    :param root: that folder
    """

    root: Path = CHECKOUT / ".quickstart"

    @property
    def airflow_home(self) -> Path:
        return self.root / "airflow"

    @property
    def dags(self) -> Path:
        return self.airflow_home / "dags"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse.sqlite"

    @property
    def commands_environment(self) -> Path:
        return self.root / "environment"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    def make(self) -> None:
        """Make what is missing."""
        for folder in (self.dags, self.logs):
            folder.mkdir(parents=True, exist_ok=True)


def free_port(preferred: int = PREFERRED_PORT) -> int:
    """Choose the port of the UI.

    :param preferred: taken if nothing listens on it
    :return: a port of 127.0.0.1 that is free now
    """
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise QuickstartError(f"no free port on {HOST}")


def airflow_environment(folders: Folders, port: int) -> dict[str, str]:
    """Set up Airflow by its environment; what is not named here is Airflow's default.

    :param folders: of the quick start
    :param port: of the API server
    :return: the environment of every Airflow process
    """
    bundle = {"name": "flows", "classpath": "dag_factory.FlowBundle", "kwargs": {}}
    warehouse = {"conn_type": "sqlite", "host": str(folders.warehouse)}
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "_AIRFLOW_"))
    }
    return {
        **inherited,
        "AIRFLOW_HOME": str(folders.airflow_home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folders.dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{port}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://{HOST}:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port(8793)),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port(8794)),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(folders.airflow_home / "dag_bundles"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_WAREHOUSE": json.dumps(warehouse),
        "PYTHONUNBUFFERED": "1",
    }


def write_commands_environment(folders: Folders, environment: Mapping[str, str]) -> None:
    """Write what a shell reads (``. FILE``) to run Airflow's commands on the quick start's Airflow.

    :param folders: of the quick start
    :param environment: of every Airflow process
    """
    settings = {name: value for name, value in environment.items() if name.startswith("AIRFLOW")}
    settings["PYTHONPATH"] = str(CHECKOUT)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(settings.items())]
    lines.append(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    folders.commands_environment.write_text("\n".join([*lines, ""]), encoding="utf-8")
