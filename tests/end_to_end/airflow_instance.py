"""A whole Airflow for tests: own home, own database on a real PostgreSQL, real components, its REST API."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx
from cryptography.fernet import Fernet

from dev.services import Server
from dev.services.process import ServerProcess
from dev.services.server import HOST, free_port
from tests.end_to_end.migrated_database import make_migrated_database

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("dag_factory", "dms_provider")
PROCESS_TREE = Path(__file__).with_name("process_tree.py")
COMPONENTS = ("api-server", "scheduler", "dag-processor")
START_TIMEOUT = 240.0
PATIENCE = 180.0
"""Seconds for anything to happen: a wait ends as soon as it has, and a busy machine is no failure."""

QUICK = {
    "CORE__PARALLELISM": "4",
    "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3",
    "DAG_PROCESSOR__STALE_DAG_THRESHOLD": "4",
    "DAG_PROCESSOR__PARSING_PROCESSES": "2",
    "DAG_PROCESSOR__REFRESH_INTERVAL": "1",
    "SCHEDULER__PARSING_CLEANUP_INTERVAL": "3",
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    "WORKERS__MISSING_DAG_RETRY_DELAY": "2",
}
"""Airflow's intervals, shortened: what takes minutes in production takes seconds here."""

T = TypeVar("T")


class AirflowError(AssertionError):
    """The instance did not do what a test waited for; the message ends with the tails of its logs."""


class AirflowInstance:
    """A context manager that starts every component of an Airflow, and ends them and all their children.

    :param database_server: a running PostgreSQL; the instance makes a database of its own in it
    :param bundles: value of ``[dag_processor] dag_bundle_config_list``; default: Airflow's own, the DAGs
        folder
    :param settings: further settings, ``SECTION__KEY`` -> value; they win over :data:`QUICK`
    :param components: which of Airflow's components to start, by their commands
    """

    def __init__(
        self,
        database_server: Server,
        *,
        bundles: list[dict[str, Any]] | None = None,
        settings: Mapping[str, str] | None = None,
        components: tuple[str, ...] = COMPONENTS,
    ) -> None:
        self._server = database_server
        self._components = components
        self._processes: dict[str, ServerProcess] = {}
        self._database = f"airflow_{secrets.token_hex(4)}"
        self._client: httpx.Client | None = None
        self.home = Path(tempfile.mkdtemp(prefix="dms-airflow-"))
        self.dags = self.home / "dags"
        self.logs = self.home / "component_logs"
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        given = {**QUICK, **(settings or {})}
        if bundles is not None:
            given["DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"] = json.dumps(bundles)
        self.environment = {
            "AIRFLOW_HOME": str(self.home),
            "PYTHONPATH": os.pathsep.join([str(self.home / "packages"), str(REPOSITORY)]),
            **{f"AIRFLOW__{name}": value for name, value in {**self._own_settings(), **given}.items()},
        }

    @property
    def server(self) -> Server:
        """The PostgreSQL in which Airflow's database lies."""
        return self._server

    @property
    def database(self) -> str:
        """Name of Airflow's database."""
        return self._database

    def pid(self, component: str) -> int:
        """Return the process id of a running component's tree."""
        return self._processes[component].pid

    def _own_settings(self) -> dict[str, str]:
        server = self._server
        return {
            "API__BASE_URL": self.url,
            "API__HOST": HOST,
            "API__PORT": str(self.port),
            "API__SECRET_KEY": secrets.token_hex(16),
            "API__WORKERS": "1",
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "CORE__DAGS_FOLDER": str(self.dags),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__FERNET_KEY": Fernet.generate_key().decode(),
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(self.home / "bundles"),
            "DATABASE__SQL_ALCHEMY_CONN": (
                f"postgresql+psycopg2://{server.user}:{server.password}@{server.host}:{server.port}/{self._database}"
            ),
            "LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(self.home / "logs" / "dag_processor"),
            "LOGGING__LOGGING_LEVEL": "INFO",
            "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            "USAGE_DATA_COLLECTION__ENABLED": "False",
            # on a busy machine Airflow loses a task whose start is not confirmed within the default 5 s
            "WORKERS__EXECUTION_API_TIMEOUT": "60",
        }

    def __enter__(self) -> AirflowInstance:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            print(self.log_tails(), file=sys.stderr)
        self.stop()

    def start(self) -> AirflowInstance:
        """Make the database, start the components, wait until the API answers.

        :return: itself
        :raises AirflowError: a component ended or did not answer in time
        """
        self.dags.mkdir(exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        # its processes import when they need something: an edit meanwhile would give them parts of two states
        for package in PACKAGES:
            shutil.copytree(REPOSITORY / package, self.home / "packages" / package, dirs_exist_ok=True)
        self._make_database()
        for component in self._components:
            self._launch(component)
        self.wait_for(self._is_healthy, "the components to be healthy", timeout=START_TIMEOUT)
        return self

    def stop(self) -> None:
        """Kill every component with all its children; remove the home and the database."""
        self.log_in_again()
        for process in self._processes.values():
            if process.running:
                os.kill(process.pid, signal.SIGINT)
        for process in self._processes.values():
            process.stop(signal.SIGINT, timeout=15)
        if self._processes and self._server.running:
            with self._server.connect(dbname="postgres", autocommit=True) as connection:
                connection.execute(f'DROP DATABASE IF EXISTS "{self._database}" WITH (FORCE)')
        self._processes.clear()
        shutil.rmtree(self.home, ignore_errors=True)

    def _make_database(self) -> None:
        make_migrated_database(self._server, self._database, self._migrate)

    def _migrate(self) -> None:
        status, output = self.command("db", "migrate")
        if status:
            raise AirflowError(f"airflow db migrate ended with status {status}\n{output}")

    def command(self, *words: str, timeout: float = START_TIMEOUT) -> tuple[int, str]:
        """Run an ``airflow`` command to its end.

        :param timeout: seconds until it is killed
        :return: its exit status, and the end of what it and earlier ones with that first word printed
        """
        process = self._start(*words)
        deadline = time.monotonic() + timeout
        while process.running and time.monotonic() < deadline:
            time.sleep(0.1)
        return process.stop(signal.SIGINT), process.log_tail(80)

    def _start(self, *words: str, name: str | None = None) -> ServerProcess:
        """Run an ``airflow`` command; if this process dies, the command's whole tree is killed."""
        return ServerProcess(
            [sys.executable, PROCESS_TREE, sys.executable, "-m", "airflow", *words],
            log=self.logs / f"{name or words[0]}.log",
            environment=self.environment,
            death_signal=signal.SIGINT,
        )

    def _launch(self, component: str, name: str | None = None) -> None:
        self._processes[name or component] = self._start(component, name=name)

    def launch(self, component: str, name: str | None = None) -> None:
        """Start a component that was ended, or one more of its kind.

        :param name: of the further one, by which it can be ended
        """
        self._launch(component, name)
        self._components = (*self._components, name or component)

    def end(self, name: str, *, kill: bool = False) -> None:
        """End one component.

        :param kill: end it and its children by SIGKILL, as a machine that dies does
        """
        self._components = tuple(component for component in self._components if component != name)
        self._processes[name].stop(signal.SIGINT if kill else signal.SIGTERM, timeout=15)

    def restart(self, component: str, *, kill: bool = False) -> None:
        """End one component and start it again.

        :param kill: end it and its children by SIGKILL, as a machine that dies does
        """
        self.end(component, kill=kill)
        self.launch(component)

    def _is_healthy(self) -> bool:
        try:
            health = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=30).json()
        except (httpx.HTTPError, ValueError):
            return False
        parts = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}
        return all(
            health[part]["status"] == "healthy" for name, part in parts.items() if name in self._components
        )

    @property
    def client(self) -> httpx.Client:
        """A client of the REST API, logged in as an administrator; its base address is ``/api/v2``."""
        if self._client is None:
            token = httpx.get(f"{self.url}/auth/token", timeout=90).json()["access_token"]
            self._client = httpx.Client(
                base_url=f"{self.url}/api/v2",
                headers={"Authorization": f"Bearer {token}"},
                timeout=90,
                # the server may close a connection that waits just as the next request is sent on it
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return self._client

    def log_in_again(self) -> None:
        """Forget the client, whose login may have run out."""
        if self._client is not None:
            self._client.close()
        self._client = None

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the JSON answer of the REST API.

        :param path: below ``/api/v2``
        :param parameters: of the query
        """
        return self._answer(self.client.get(path, params=parameters))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a JSON object to the REST API, return its JSON answer."""
        return self._change(lambda: self.client.post(path, json=body))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change something through the REST API, return its JSON answer."""
        return self._change(lambda: self.client.patch(path, json=body))

    def _change(self, request: Callable[[], httpx.Response]) -> Any:
        """Ask again, as a person would, where Airflow's API and scheduler block each other: one gives way."""
        response = request()
        for _ in range(2):
            if response.status_code == 500 and "Database error" in response.text:
                response = request()
        return self._answer(response)

    @staticmethod
    def _answer(response: httpx.Response) -> Any:
        if response.is_error:
            raise AirflowError(
                f"{response.request.method} {response.request.url}: {response.status_code} {response.text}"
            )
        return response.json() if response.content else None

    def import_errors(self) -> dict[str, str]:
        """Return file name -> text of every import error."""
        errors = self.get("/importErrors", limit=1000)["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def active_dags(self) -> set[str]:
        """Return the ids of the DAGs that the UI shows and the scheduler runs."""
        return {dag["dag_id"] for dag in self.get("/dags", limit=1000)["dags"] if not dag["is_stale"]}

    def trigger(self, dag_id: str, *, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run by hand.

        :return: its run id
        """
        body = {"logical_date": None, "conf": dict(conf or {})}
        return str(self.post(f"/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def wait_for_run(self, dag_id: str, run_id: str, *, timeout: float = PATIENCE) -> str:
        """Wait until a run has ended.

        :return: its state
        """

        def ended() -> str | None:
            state: str = self.get(f"/dags/{dag_id}/dagRuns/{run_id}")["state"]
            return state if state in ("success", "failed") else None

        return self.wait_for(ended, f"run {run_id} of {dag_id} to end", timeout=timeout)

    def run(self, dag_id: str) -> None:
        """Start a run by hand and wait until it has succeeded.

        :raises AirflowError: it failed; with the logs of its failed tasks
        """
        self.succeed(dag_id, self.trigger(dag_id))

    def succeed(self, dag_id: str, run_id: str) -> None:
        """Wait until a run has succeeded.

        :raises AirflowError: it failed; with the logs of its failed tasks
        """
        if (state := self.wait_for_run(dag_id, run_id)) == "success":
            return
        states = self.task_states(dag_id, run_id)
        failed = [task_id for task_id, reached in states.items() if reached == "failed"]
        logs = "\n".join(self.task_log(dag_id, run_id, task_id) for task_id in failed)
        raise AirflowError(f"{dag_id} is {state}: {states}\n{logs}")

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """Return task id -> state of one run's task instances."""
        instances = self.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=1000)["task_instances"]
        return {instance["task_id"]: instance["state"] for instance in instances}

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> str:
        """Return the log of one try as text."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        content = self.get(path, full_content="true")["content"]
        return "\n".join(
            line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in content
        )

    def wait_for(self, condition: Callable[[], T | None], what: str, *, timeout: float = PATIENCE) -> T:
        """Wait until something is true.

        :param condition: asked four times a second
        :param what: for the message: "waited for ..."
        :param timeout: seconds
        :return: what the condition gave in the end
        :raises AirflowError: it did not come true, or a component ended
        """
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            self.check_running()
            if time.monotonic() > deadline:
                raise AirflowError(f"waited {timeout:g} s in vain for {what}\n{self.log_tails()}")
            time.sleep(0.25)
        return value

    def check_running(self) -> None:
        """Check that no component has ended by itself.

        :raises AirflowError: one has
        """
        if ended := [name for name in self._components if not self._processes[name].running]:
            raise AirflowError(f"{', '.join(ended)} ended\n{self.log_tails()}")

    def log_tails(self, lines: int = 40) -> str:
        """Return the ends of the logs of all components."""
        return "\n".join(
            f"--- {name}\n{process.log_tail(lines)}" for name, process in self._processes.items()
        )
