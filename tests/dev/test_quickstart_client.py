"""The quick start's questions to the API server of a busy machine."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dev.quickstart_app.client import ASKED, AirflowClient
from dev.quickstart_app.settings import QuickstartError

RUN = {"dag_run_id": "r1", "state": "success", "task_instances": []}


class Server(ThreadingHTTPServer):
    """Loses the connection of the next ``losses`` requests, and answers every other with a run."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.losses = 0
        self.asked: Counter[str] = Counter()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked[self.command] += 1
        if self.server.losses:
            self.server.losses -= 1
            self.close_connection = True
            return
        body = json.dumps(RUN).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def client(server: Server) -> AirflowClient:
    return AirflowClient(f"http://127.0.0.1:{server.server_port}", lambda: None, datetime.now(timezone.utc))


def test_a_question_without_an_answer_is_asked_again(server: Server, client: AirflowClient) -> None:
    server.losses = 2
    assert list(client.follow("flow", "r1", timeout=60)) == [("", "flow", "success")]
    assert server.asked["GET"] == 4


def test_a_run_is_never_started_twice(server: Server, client: AirflowClient) -> None:
    server.losses = 1
    with pytest.raises(QuickstartError, match=r"no answer to POST /api/v2/dags/flow/dagRuns: "):
        client.trigger("flow", datetime(2013, 7, 10, 2, 30))
    assert server.asked["POST"] == 1


def test_who_never_answers_is_named(server: Server, client: AirflowClient) -> None:
    server.losses = 100
    with pytest.raises(QuickstartError, match=r"^the API server gave no answer to GET "):
        list(client.follow("flow", "r1", timeout=60))
    assert server.asked["GET"] == ASKED
