"""The few calls of Airflow's public API that the quick start makes."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

from dev.quickstart_app.settings import QuickstartError

ENDED = ("success", "failed")
ANSWER_SECONDS = 30.0
ASKED = 5
"""So often is a question asked that gets no answer; what changes something is sent once."""


class AirflowClient:
    """A client of one API server.

    :param address: of the UI
    :param check: called while waiting; raises if waiting is in vain
    :param started: when Airflow was started; its database may hold DAGs and errors from before
    """

    def __init__(self, address: str, check: Callable[[], None], started: datetime) -> None:
        self.address = address
        self._check = check
        self._started = started
        self._token = ""

    def wait_until_up(self, *, timeout: float) -> None:
        """Wait for the API server, and log in.

        :param timeout: seconds
        :raises QuickstartError: it did not come up
        """
        for _ in self._until(timeout, "the API server did not answer"):
            if self._log_in():
                return

    def wait_until_live(self, dag_id: str, *, timeout: float) -> None:
        """Wait until Airflow has made a DAG of a flow.

        :param dag_id: the flow's id
        :param timeout: seconds
        :raises QuickstartError: it did not in time, or there are import errors
        """
        for _ in self._until(timeout, f"Airflow did not find the flow {dag_id}"):
            for error in self._send("GET", "/api/v2/importErrors")["import_errors"]:
                if self._is_new(error["timestamp"]):
                    raise QuickstartError(
                        f"Airflow could not import {error['filename']}: {last_words(error['stack_trace'])}"
                    )
            if self._is_live(dag_id):
                return

    def trigger(self, dag_id: str, business_time: datetime) -> str:
        """Start a flow for a business time.

        :param dag_id: the flow's id
        :param business_time: on the flow's wall clock, without a zone
        :return: id of the run
        """
        conf = {"dms": {"business_time": business_time.isoformat()}}
        run = self._send(
            "POST", f"/api/v2/dags/{quote(dag_id)}/dagRuns", {"logical_date": None, "conf": conf}
        )
        return str(run["dag_run_id"])

    def follow(self, dag_id: str, run_id: str, *, timeout: float) -> Iterator[tuple[str, str, str]]:
        """Tell of each node that ends, until the run ends.

        :param dag_id: the flow's id
        :param run_id: id of the run
        :param timeout: seconds
        :return: node id, node name and state, in the order of ending; at last the run itself, with no id
        :raises QuickstartError: the run did not end in time
        """
        run = f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id)}"
        told: set[str] = set()
        for _ in self._until(timeout, f"the run {run_id} of {dag_id} did not end"):
            state = self._send("GET", run)["state"]
            nodes = self._send("GET", f"{run}/taskInstances?limit=1000")["task_instances"]
            for node in sorted(nodes, key=lambda node: node["end_date"] or ""):
                if node["task_id"] not in told and node["state"] in NODE_ENDED:
                    told.add(node["task_id"])
                    yield node["task_id"], node["task_display_name"], node["state"]
            if state in ENDED:
                yield "", dag_id, state
                return

    def _is_new(self, time: str) -> bool:
        # Python 3.10 reads no "Z".
        return datetime.fromisoformat(time.replace("Z", "+00:00")) >= self._started

    def _is_live(self, dag_id: str) -> bool:
        try:
            dag = self._send("GET", f"/api/v2/dags/{quote(dag_id)}")
            return not dag["is_stale"] and self._is_new(dag["last_parsed_time"])
        except NotFound:
            return False

    def _log_in(self) -> bool:
        try:
            self._token = self._send("GET", "/auth/token")["access_token"]
        except QuickstartError:
            return False
        return True

    def _until(self, timeout: float, otherwise: str) -> Iterator[None]:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self._check()
            yield
            time.sleep(0.3)
        raise QuickstartError(f"{otherwise} within {timeout:g} s")

    def _send(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"},
        )
        problem = ""
        for attempt in range(ASKED if method == "GET" else 1):
            if attempt:
                self._check()
                time.sleep(0.3)
            try:
                with NO_PROXY.open(request, timeout=ANSWER_SECONDS) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    raise NotFound(path) from None
                text = error.read().decode(errors="replace")[:500]
                raise QuickstartError(f"{method} {path} was answered with {error.code}: {text}") from None
            except (OSError, http.client.HTTPException) as error:
                problem = str(error) or type(error).__name__
        raise QuickstartError(f"the API server gave no answer to {method} {path}: {problem}")


def last_words(stack_trace: str) -> str:
    """Return what an import error says below its innermost frame.

    :param stack_trace: of an import error
    """
    lines = stack_trace.strip().splitlines()
    frames = [number for number, line in enumerate(lines) if line.startswith("  ")]
    return "\n".join(lines[frames[-1] + 1 :] if frames else lines)


class NotFound(QuickstartError):
    """The API server knows no such thing (yet)."""


NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
NODE_ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
