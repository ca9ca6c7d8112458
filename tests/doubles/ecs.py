"""A double of Alibaba Cloud's ECS API, as far as Cloud Assistant goes: RPC over HTTP as the SDK sends it.

RunCommand, DescribeInvocations, DescribeInvocationResults and StopInvocation. Signatures (ACS3-HMAC-SHA256)
are verified, security tokens compared. A client token counts once; used again with other parameters it is
refused. Shell scripts really run, in processes of their own; stopping one kills its group. Requests are
counted; they fail, lose their connection or hang, before or after they have had their effect, when a test
says so.

It does not do: PowerShell and batch (they are recorded, and succeed), user names, containers, schedules,
parameters in braces, commands that are kept, delivery of output to OSS, rights of keys, limits of time of
signatures and tokens, filters other than by one tag or an invocation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlsplit

from tests.doubles.ecs_instances import Execution, Instances

MAX_CONTENT = 24 * 1024

Moment = Literal["before", "after"]


@dataclass
class Fault:
    """What goes wrong with the next requests of an action.

    :param kind: ``throttled``, ``error``, ``unavailable``, ``gateway`` (a page that is no JSON), ``cut`` (the
        connection is closed) or ``held`` (no answer until :attr:`CloudAssistantServer.release` is set)
    :param when: before the request has had its effect, or after it
    """

    action: str
    kind: str
    when: Moment = "before"
    times: int = 1


@dataclass
class Invocation:
    """One accepted RunCommand.

    :param questions: how often its results were asked for
    """

    invoke_id: str
    parameters: dict[str, str]
    tags: list[tuple[str, str]]
    executions: list[Execution] = field(default_factory=list)
    questions: int = 0


class CloudAssistantServer:
    """The server.

    :param instances: ids of the instances that are there
    :param port: of 127.0.0.1; 0 for a free one
    """

    def __init__(self, instances: tuple[str, ...] = ("i-1", "i-2", "i-3"), port: int = 0) -> None:
        self.keys = {"test-key": "Zq7Kx0Wb2Lm9"}
        self.security_token: str | None = None
        self.instances = Instances(instances)
        self.invocations: dict[str, Invocation] = {}
        self.counts: Counter[str] = Counter()
        """Requests by action, and under ``ACTION done`` those that had their effect."""
        self.faults: list[Fault] = []
        self.release = threading.Event()
        self._tokens: dict[str, tuple[dict[str, str], str]] = {}
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self._server.daemon_threads = True
        self._server.cloud = self  # type: ignore[attr-defined]  # how its handlers find it

    def __enter__(self) -> CloudAssistantServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self.instances.close()

    @property
    def connection(self) -> str:
        """An Airflow connection to it, in JSON."""
        host, port = self._server.server_address[:2]
        extra = {"endpoint": f"{host!s}:{port}", "protocol": "http"}
        return json.dumps(
            {"conn_type": "alibaba_cloud", "login": "test-key", "password": "Zq7Kx0Wb2Lm9", "extra": extra}
        )

    @property
    def tokens(self) -> list[str]:
        """The client token of each script that was started on an instance, once for each start."""
        return [
            self.invocations[invoke_id].parameters["ClientToken"] for invoke_id, _ in self.instances.started
        ]

    @property
    def is_idle(self) -> bool:
        """Whether no script runs or waits to."""
        return not any(
            execution.status in ("Pending", "Running", "Stopping")
            for invocation in list(self.invocations.values())
            for execution in invocation.executions
        )

    @contextmanager
    def fault(self, action: str, kind: str, when: Moment = "before", times: int = 1) -> Iterator[Fault]:
        """Let the next requests of an action go wrong."""
        self.release.clear()
        fault = Fault(action, kind, when, times)
        self.faults.append(fault)
        try:
            yield fault
        finally:
            self.release.set()
            if fault in self.faults:
                self.faults.remove(fault)

    def take_fault(self, action: str, when: Moment) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.action == action and fault.when == when and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def answer(self, action: str, query: dict[str, str]) -> dict[str, Any]:
        """Let a request have its effect."""
        handler = {
            "RunCommand": self._run,
            "DescribeInvocations": self._find,
            "DescribeInvocationResults": self._results,
            "StopInvocation": self._stop,
        }.get(action)
        if handler is None:
            raise Refusal(404, "InvalidAction.NotFound", "Specified api is not found.")
        if not query.get("RegionId"):
            raise Refusal(400, "MissingParameter.RegionId", "RegionId is mandatory for this action.")
        with self._lock:
            return {"RequestId": str(uuid.uuid4()).upper(), **handler(query)}

    def _run(self, query: dict[str, str]) -> dict[str, Any]:
        token = query.get("ClientToken", "")
        if token in self._tokens:
            parameters, invoke_id = self._tokens[token]
            if parameters != query:
                raise Refusal(400, "IdempotentParameterMismatch", "The token was used with other parameters.")
            return {"InvokeId": invoke_id, "CommandId": "c-1"}
        if query.get("Type") not in ("RunShellScript", "RunPowerShellScript", "RunBatScript"):
            raise Refusal(400, "InvalidCmdType.NotFound", "The specified command type does not exist.")
        if query.get("ContentEncoding") != "Base64" or len(query.get("CommandContent", "")) > MAX_CONTENT:
            raise Refusal(
                400, "CmdContent.ExceedLimit", "The length of the command content exceeds the limit."
            )
        wanted = _numbered(query, "InstanceId")
        for instance in wanted:
            if instance not in self.instances.ids:
                raise Refusal(
                    404, "InvalidInstance.NotFound", f"The specified instance {instance} does not exist."
                )
        invoke_id = f"t-{uuid.uuid4().hex[:16]}"
        tags = [
            (query[f"Tag.{number}.Key"], query[f"Tag.{number}.Value"])
            for number in range(1, 21)
            if f"Tag.{number}.Key" in query
        ]
        invocation = self.invocations[invoke_id] = Invocation(invoke_id, query, tags)
        invocation.executions = [self.instances.begin(invoke_id, instance, query) for instance in wanted]
        if token:
            self._tokens[token] = (query, invoke_id)
        return {"InvokeId": invoke_id, "CommandId": "c-1"}

    def _find(self, query: dict[str, str]) -> dict[str, Any]:
        wanted = (query.get("Tag.1.Key"), query.get("Tag.1.Value"))
        found = [
            {
                "InvokeId": invocation.invoke_id,
                "CommandName": invocation.parameters.get("Name"),
                "Tags": {"Tag": [{"TagKey": key, "TagValue": value} for key, value in invocation.tags]},
            }
            for invocation in self.invocations.values()
            if wanted in invocation.tags
        ]
        return {"Invocations": {"Invocation": found}}

    def _results(self, query: dict[str, str]) -> dict[str, Any]:
        invocation = self.invocations.get(query.get("InvokeId", ""))
        executions = invocation.executions if invocation else []
        if invocation is not None:
            invocation.questions += 1
        begin = int(query.get("NextToken") or 0)
        end = begin + int(query.get("MaxResults") or 10)
        return {
            "Invocation": {
                "NextToken": str(end) if end < len(executions) else "",
                "InvocationResults": {
                    "InvocationResult": [
                        {
                            "InstanceId": execution.instance,
                            "InvokeId": query["InvokeId"],
                            "InvocationStatus": execution.status,
                            "ExitCode": execution.exit_code,
                            "ErrorCode": execution.error_code,
                            "ErrorInfo": execution.error_info,
                            "Dropped": execution.dropped,
                            "Output": base64.b64encode(execution.output).decode(),
                        }
                        for execution in executions[begin:end]
                    ]
                },
            }
        }

    def _stop(self, query: dict[str, str]) -> dict[str, Any]:
        invocation = self.invocations.get(query.get("InvokeId", ""))
        if invocation is None:
            raise Refusal(404, "InvalidInvoke.NotFound", "The specified invoke record does not exist.")
        wanted = _numbered(query, "InstanceId")
        if len(wanted) > 50:
            raise Refusal(
                403, "InstanceIds.ExceedLimit", "The number of instance IDs exceeds the upper limit."
            )
        for execution in invocation.executions:
            if not wanted or execution.instance in wanted:
                self.instances.stop(execution)
        return {}


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message


_REFUSALS = {
    "throttled": (400, "Throttling.User", "Request was denied due to user flow control."),
    "error": (500, "InternalError", "The request processing has failed due to some unknown error."),
    "unavailable": (503, "ServiceUnavailable", "The request has failed due to a temporary failure."),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        cloud: CloudAssistantServer = self.server.cloud  # type: ignore[attr-defined]  # as set there
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        action = self.headers.get("x-acs-action") or ""
        cloud.count(action)
        try:
            if self._goes_wrong(cloud, cloud.take_fault(action, "before")):
                return
            query = self._checked(cloud, body)
            answer = cloud.answer(action, query)
            cloud.count(f"{action} done")
            if self._goes_wrong(cloud, cloud.take_fault(action, "after")):
                return
            self._send(200, json.dumps(answer).encode())
        except Refusal as refusal:
            self._refuse(refusal)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _goes_wrong(self, cloud: CloudAssistantServer, fault: Fault | None) -> bool:
        if fault is None:
            return False
        if fault.kind == "held":
            cloud.release.wait(120)
        elif fault.kind == "gateway":
            self._send(502, b"<html><body>Bad Gateway</body></html>", "text/html")
            return True
        elif fault.kind != "cut":
            raise Refusal(*_REFUSALS[fault.kind])
        self.close_connection = True
        return True

    def _refuse(self, refusal: Refusal) -> None:
        error = {"RequestId": "R-1", "Code": refusal.code, "Message": refusal.message, "HostId": "ecs"}
        self._send(refusal.status, json.dumps(error).encode())

    def _send(self, status: int, data: bytes, content_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _checked(self, cloud: CloudAssistantServer, body: bytes) -> dict[str, str]:
        """Return the parameters of a request that one of the keys has signed.

        :raises Refusal: none has
        """
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        scheme, _, rest = (self.headers.get("Authorization") or "").partition(" ")
        signed = dict(part.split("=", 1) for part in rest.split(",") if "=" in part)
        secret = cloud.keys.get(signed.get("Credential", ""))
        if secret is None:
            raise Refusal(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        names = signed["SignedHeaders"].split(";")
        headers = "".join(f"{name}:{(self.headers.get(name) or '').strip()}\n" for name in names)
        canonical_query = "&".join(f"{key}={quote(value, safe='~')}" for key, value in sorted(query.items()))
        digest = hashlib.sha256(body).hexdigest()
        request = "\n".join(["POST", parts.path, canonical_query, headers, signed["SignedHeaders"], digest])
        to_sign = f"{scheme}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
        if scheme != "ACS3-HMAC-SHA256" or not hmac.compare_digest(signature, signed.get("Signature", "")):
            raise Refusal(400, "SignatureDoesNotMatch", "Specified signature is not matched.")
        if self.headers.get("x-acs-security-token") != cloud.security_token:
            raise Refusal(400, "InvalidSecurityToken.Malformed", "The specified SecurityToken is wrong.")
        return query


def _numbered(query: dict[str, str], name: str) -> list[str]:
    found = [query.get(f"{name}.{number}") for number in range(1, 101)]
    return [value for value in found if value is not None]


def wait_for(server: CloudAssistantServer, what: str, times: int = 1, *, seconds: float = 120) -> None:
    """Wait until requests of an action came, with patience for a busy machine."""
    deadline = time.monotonic() + seconds
    while server.counts[what] < times:
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        time.sleep(0.01)
