"""A double of MaxCompute: an HTTP server that speaks what the real ``pyodps`` needs of its REST API.

It has one project with instances (create, status, tasks, result, stop), its properties, bearer tokens, and
a tunnel from which results are streamed. Signatures of version 2 and 4 are verified.
Statements run in SQLite, each in a thread of its own, with MaxCompute's literals translated as its
documentation of escape characters says; ``sleep(n)`` lasts n seconds or until its instance is stopped.
Requests fail, hang or end in the middle when a test says so.

It does not do: MaxCompute's own SQL (functions, partitions, types beyond BIGINT, DOUBLE, STRING, DATETIME and
BINARY; settings change nothing), rights, quotas, several tasks in an instance, progress, tenants, Logview.
A script in script mode runs statement by statement. Rows come in one piece, uncompressed.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import xml.etree.ElementTree as ElementTree
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from tests.doubles.maxcompute_rows import stream
from tests.doubles.maxcompute_signatures import signature_problem

PROJECT = "reports"
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "r": "\r", "Z": "\x1a", "0": "\0"}
_TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|`[^`]*`|(?P<literal>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<end>;)", re.DOTALL
)
_ESCAPE = re.compile(r"\\(?:([01][0-7]{2})|(.))", re.DOTALL)
_DATETIME = "maxcompute_datetime"
sqlite3.register_converter(_DATETIME, lambda text: datetime.fromisoformat(text.decode()))
_TYPES = {int: "bigint", float: "double", str: "string", bytes: "binary", datetime: "datetime"}


@dataclass
class Fault:
    """What happens to the next requests of one operation.

    :param operation: ``create``, ``status``, ``tasks``, ``result``, ``stop``, ``downloads``, ``data``, …
    :param status: of the answer; 0 for a connection that is lost once the request has been carried out
    :param code: of the error
    :param times: how many requests
    """

    operation: str
    status: int
    code: str = "InternalServerError"
    times: int = 1


@dataclass
class Instance:
    """One statement, or script.

    :param sql: as it arrived
    :param settings: that came with it
    """

    id: str
    sql: str
    settings: dict[str, str]
    state: str = "Running"
    error: str = ""
    columns: list[tuple[str, str]] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def has_ended(self) -> bool:
        return self.state != "Running"


class MaxCompute:
    """The server.

    :param folder: of its database
    """

    def __init__(self, folder: Path) -> None:
        self.keys = {"test-key": "test-secret"}
        self.properties: dict[str, str] = {}
        self.instances: dict[str, Instance] = {}
        self.faults: list[Fault] = []
        self.counts: Counter[str] = Counter()
        self.protects_its_data = False
        self.cuts_rows_off_at: int | None = None
        self.waiting: Counter[str] = Counter()
        self.signature_versions: set[str] = set()
        self.gates: dict[str, threading.Event] = {}
        self._database = folder / "maxcompute.db"
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.service = self  # type: ignore[attr-defined]  # how its handlers find it

    def __enter__(self) -> MaxCompute:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for waiting in (*self.gates.values(), *(instance.stop for instance in self.instances.values())):
            waiting.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def connection(self, **extra: Any) -> str:
        """Return an Airflow connection to this server, as JSON."""
        return json.dumps(
            {
                "conn_type": "maxcompute",
                "login": "test-key",
                "password": "test-secret",
                "host": f"http://{self.address}/api",
                "schema": PROJECT,
                "extra": extra,
            }
        )

    @property
    def time_zone(self) -> str:
        return self.properties.get("odps.sql.timezone", "Asia/Shanghai")

    def running(self) -> list[Instance]:
        """Return the instances that have not ended."""
        return [instance for instance in self.instances.values() if not instance.has_ended]

    def statements(self) -> list[str]:
        """Return the text of each instance, in their order."""
        return [instance.sql for instance in self.instances.values()]

    def create(self, document: bytes) -> Instance:
        (task,) = ElementTree.fromstring(document).iterfind("./Job/Tasks/SQL")
        properties = {
            str(entry.findtext("Name")): str(entry.findtext("Value"))
            for entry in task.iterfind("./Config/Property")
        }
        with self._lock:
            instance = Instance(
                f"2026{len(self.instances):012d}",
                str(task.findtext("Query")),
                json.loads(properties.get("settings", "{}")),
            )
            self.instances[instance.id] = instance
        threading.Thread(target=self._run, args=(instance,), daemon=True).start()
        return instance

    def fault(self, operation: str) -> Fault | None:
        with self._lock:
            self.counts[operation] += 1
            for fault in self.faults:
                if fault.operation == operation and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def _run(self, instance: Instance) -> None:
        with closing(
            sqlite3.connect(
                self._database, timeout=30, isolation_level=None, detect_types=sqlite3.PARSE_DECLTYPES
            )
        ) as database:
            database.create_function("sleep", 1, lambda seconds: int(instance.stop.wait(seconds)))
            try:
                for statement in translated(instance.sql):
                    cursor = database.execute(statement)
                    instance.rows = cursor.fetchall()
                    instance.columns = _columns(cursor.description or (), instance.rows)
                    if instance.stop.is_set():
                        break
            except sqlite3.Error as error:
                code = "ODPS-0130131:[1,1] Table not found" if "no such table" in str(error) else (
                    "ODPS-0130161:[1,1] Parse exception"
                )  # fmt: skip
                instance.error = f"{code} - {error}"
        instance.state = "Cancelled" if instance.stop.is_set() else "Failed" if instance.error else "Success"


def translated(sql: str) -> list[str]:
    """Return the statements of a text in SQLite's language, without those that set something."""
    statements: list[str] = [""]
    behind = 0
    for found in _TOKEN.finditer(sql):
        statements[-1] += _code(sql[behind : found.start()])
        behind = found.end()
        if found["end"]:
            statements.append("")
        elif found["literal"]:
            value = _ESCAPE.sub(_meaning, found["literal"][1:-1])
            statements[-1] += "'" + value.replace("'", "''") + "'"
        else:
            statements[-1] += found[0]
    statements[-1] += _code(sql[behind:])
    return [text for text in statements if text.strip() and not re.match(r"\s*set\s", text, re.IGNORECASE)]


def _code(text: str) -> str:
    return re.sub(r"\bdatetime\b", _DATETIME, text, flags=re.IGNORECASE)


def _meaning(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 8))
    return _ESCAPES.get(found[2], found[2])


def _columns(description: Any, rows: list[tuple[Any, ...]]) -> list[tuple[str, str]]:
    types = [
        next((_TYPES[type(row[place])] for row in rows if row[place] is not None), "string")
        for place in range(len(description))
    ]
    return [(column[0], type_) for column, type_ in zip(description, types, strict=True)]


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        service: MaxCompute = self.server.service
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        prefix = "/api" if url.path.startswith("/api/") else ""
        if problem := signature_problem(
            self.command, self.path.removeprefix(prefix), self.headers, service.keys
        ):
            return self._refuse(401, "Unauthorized", problem)
        path = [unquote(part) for part in url.path.removeprefix(prefix).strip("/").split("/")]
        operation = _operation(self.command, path, query)
        is_v4 = "/aliyun_v4_request:" in self.headers["Authorization"]
        service.signature_versions.add("v4" if is_v4 else "v2")
        if operation in service.gates:
            service.waiting[operation] += 1
            service.gates[operation].wait()
        fault = service.fault(operation)
        if fault and fault.status:
            return self._refuse(fault.status, fault.code, f"a fault of {operation}")
        if fault:
            self.wfile.write = lambda data: len(data)  # type: ignore[method-assign]  # carried out, not told
            self.close_connection = True
        getattr(self, f"_{operation}", self._unknown)(service, path, query, body)
        return None

    def _unknown(self, service: MaxCompute, path: list[str], query: dict[str, str], body: bytes) -> None:
        self._refuse(404, "NoSuchObject", f"this double has no {self.command} {self.path}")

    def _create(self, service: MaxCompute, path: list[str], query: dict[str, str], body: bytes) -> None:
        try:
            instance = service.create(body)
        except ElementTree.ParseError as error:
            return self._refuse(400, "InvalidArgument", str(error))
        return self._send(201, "", Location=f"http://{service.address}/{'/'.join(path)}/{instance.id}")

    def _status(self, service: MaxCompute, path: list[str], query: dict[str, str], body: bytes) -> None:
        status = "Terminated" if service.instances[path[3]].has_ended else "Running"
        self._send(200, f"<Instance><Status>{status}</Status></Instance>")

    def _tasks(self, service: MaxCompute, path: list[str], query: dict[str, str], body: bytes) -> None:
        state = service.instances[path[3]].state
        self._send(
            200, f"<Instance><Status>Terminated</Status>{_task(f'<Status>{state}</Status>')}</Instance>"
        )

    def _result(self, service: MaxCompute, path: list[str], query: dict[str, str], body: bytes) -> None:
        error = escape(service.instances[path[3]].error)
        result = f'<Result Format="text">{error}</Result><Status>Failed</Status>'
        self._send(200, f"<Instance>{_task(result)}</Instance>")

    def _stop(self, service: MaxCompute, path: list[str], query: dict[str, str], body: bytes) -> None:
        instance = service.instances[path[3]]
        if instance.has_ended:
            return self._refuse(409, "InvalidStateSetting", "the instance has ended")
        instance.stop.set()
        return self._send(200, "")

    def _project(self, service: MaxCompute, path: list[str], query: dict[str, str], body: bytes) -> None:
        if path[1] != PROJECT:
            return self._refuse(404, "NoSuchProject", f"there is no project {path[1]}")
        properties = "".join(
            f"<Property><Name>{name}</Name><Value>{value}</Value></Property>"
            for name, value in service.properties.items()
        )
        document = f"<Project><Name>{PROJECT}</Name><Properties>{properties}</Properties></Project>"
        moment = formatdate(usegmt=True)
        headers = {"x-odps-owner": "owner", "x-odps-creation-time": moment, "Last-Modified": moment}
        return self._send(200, document, **headers)

    def _token(self, service: MaxCompute, path: list[str], query: dict[str, str], body: bytes) -> None:
        self._send(200, "<Authorization><Result>token</Result></Authorization>")

    def _tunnel(self, service: MaxCompute, path: list[str], query: dict[str, str], body: bytes) -> None:
        self._send(200, service.address)

    def _downloads(self, service: MaxCompute, path: list[str], query: dict[str, str], body: bytes) -> None:
        if service.protects_its_data and "instance_tunnel_limit_enabled" not in query:
            return self._refuse(403, "NoPermission", "no right to download the data of this project")
        instance = service.instances[path[3]]
        columns = [{"name": name, "type": type_} for name, type_ in instance.columns]
        session = {
            "DownloadID": f"session-{instance.id}",
            "Status": "NORMAL",
            "RecordCount": len(instance.rows),
            "Schema": {"columns": columns, "partitionKeys": []},
        }
        return self._send(200, json.dumps(session))

    def _data(self, service: MaxCompute, path: list[str], query: dict[str, str], body: bytes) -> None:
        instance = service.instances[path[3]]
        start, count = (int(number) for number in query["rowrange"].strip("()").split(","))
        zone = ZoneInfo(instance.settings.get("odps.sql.timezone") or service.time_zone)
        data = stream(instance.rows[start : start + count], zone)
        cut, service.cuts_rows_off_at = service.cuts_rows_off_at, None
        self._send(200, data if cut is None else data[:cut])

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._send(
            status,
            f"<Error><Code>{code}</Code><Message>{escape(message)}</Message><RequestId>1</RequestId>"
            "<HostId>double</HostId></Error>",
        )

    def _send(self, status: int, body: str | bytes, **headers: str) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _task(content: str) -> str:
    return f'<Tasks><Task Type="SQL"><Name>AnonymousSQLTask</Name>{content}</Task></Tasks>'


def _operation(method: str, path: list[str], query: dict[str, str]) -> str:
    """Return what a request is for."""
    place = "/".join(path[2:3]) if path[0] == "projects" else path[0]
    if place == "instances" and len(path) == 3:
        return "create" if method == "POST" else "list"
    if place == "instances":
        named = {"taskstatus": "tasks", "result": "result", "downloads": "downloads", "rowrange": "data"}
        for key, operation in named.items():
            if key in query:
                return operation
        return "stop" if method == "PUT" else "status"
    return {"": "project", "tunnel": "tunnel", "authorization": "token"}.get(place, "unknown")
