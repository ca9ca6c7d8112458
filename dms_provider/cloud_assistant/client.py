"""The four requests of Cloud Assistant that a node makes, each made again while its failure may pass."""

from __future__ import annotations

import base64
import binascii
import logging
import random
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from dms_provider.cloud_assistant.command import COMMAND_TYPES, TOKEN_TAG, Command, Try
from dms_provider.cloud_assistant.results import InstanceResult
from dms_provider.sessions.redaction import Redactor

RETRY_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before each further attempt of one request, at most; half of it at least."""

_PAGE = 50
_MAX_STOPPED_AT_ONCE = 50
_ALREADY_USED = "IdempotentParameterMismatch"
_MAY_PASS = frozenset({408, 429})
_MAY_PASS_CODES = ("Throttling", "ServiceUnavailable", "InternalError", "SystemBusy")
_WRONG_KEYS = ("InvalidAccessKey", "SignatureDoesNotMatch", "IncompleteSignature", "InvalidSecurityToken")
_QUOTED_REQUEST = re.compile(r"(?<=\?)\S+|(?<=CommandContent)\S+")

Result = TypeVar("Result")
_log = logging.getLogger(__name__)


class CloudAssistantError(RuntimeError):
    """The ECS API refused a request, or did not answer. The message holds no secret.

    :param code: what the API calls it; empty where it did not answer
    :param may_pass: the same request can have an answer later
    """

    def __init__(self, message: str, *, code: str = "", may_pass: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.may_pass = may_pass


class CloudAssistant:
    """Makes requests over one connection, in one region.

    :param api: client of the SDK ``alibabacloud-ecs20140526``
    :param conn_id: for messages
    :param region: of the instances
    :param redactor: knows the connection's secrets
    """

    def __init__(self, api: Any, *, conn_id: str, region: str, redactor: Redactor) -> None:
        self._api = api
        self._conn_id = conn_id
        self._region = region
        self._redactor = redactor
        self.retry_waits: Sequence[float] = RETRY_WAITS
        self.stopped = threading.Event()
        """Once it is set, no further request is made."""
        # The address of a request has the whole script in it, and is logged at the level DEBUG.
        logging.getLogger("urllib3.connectionpool").addFilter(_has_no_script)

    def run(self, command: Command, of: Try) -> str:
        """Have a script run, at most once for each try, however often this is asked.

        :return: id of the invocation
        :raises CloudAssistantError: it was refused, or it is not known whether it runs
        """
        from alibabacloud_ecs20140526 import models

        request = models.RunCommandRequest(
            region_id=self._region,
            type=COMMAND_TYPES[command.script_type],
            command_content=command.content,
            content_encoding="Base64",
            instance_id=list(command.instances),
            working_dir=command.working_directory,
            username=command.username,
            timeout=command.timeout_seconds,
            termination_mode="ProcessTree",
            repeat_mode="Once",
            keep_command=False,
            enable_parameter=False,
            name=of.command_name,
            description=of.description,
            client_token=of.token,
            tag=[models.RunCommandRequestTag(key=TOKEN_TAG, value=of.token)],
        )
        try:
            response = self._attempt(lambda: self._api.run_command(request), "run the script")
        except CloudAssistantError as error:
            refusal = error
        else:
            return str(response.body.invoke_id)
        found = self.find(of.token) if refusal.code == _ALREADY_USED else ()
        if found:
            return found[0]
        raise refusal

    def find(self, token: str) -> tuple[str, ...]:
        """Return the ids of the invocations of a try; there is one at most, unless the API broke its word.

        :param token: of the try
        :raises CloudAssistantError: nobody could tell
        """
        from alibabacloud_ecs20140526 import models

        tag = models.DescribeInvocationsRequestTag(key=TOKEN_TAG, value=token)
        response = self._attempt(
            lambda: self._api.describe_invocations(
                models.DescribeInvocationsRequest(region_id=self._region, tag=[tag], max_results=_PAGE)
            ),
            "look for an invocation",
        )
        found = response.body.invocations
        return tuple(
            str(invocation.invoke_id)
            for invocation in (found and found.invocation) or ()
            if any(
                (mark.tag_key, mark.tag_value) == (TOKEN_TAG, token)
                for mark in (invocation.tags and invocation.tags.tag) or ()
            )
        )

    def results(self, invoke_id: str) -> list[InstanceResult]:
        """Return what an invocation has come to on each of its instances.

        :raises CloudAssistantError: nobody could tell
        """
        results = [_instance_result(found) for found in self._pages(invoke_id)]
        return sorted(results, key=lambda result: result.instance)

    def stop(self, invoke_id: str, instances: Sequence[str]) -> None:
        """Have the script end, with all processes that it has started. It takes a moment after this.

        :raises CloudAssistantError: it was refused, or did not get there
        """
        from alibabacloud_ecs20140526 import models

        for start in range(0, len(instances), _MAX_STOPPED_AT_ONCE):
            request = models.StopInvocationRequest(
                region_id=self._region,
                invoke_id=invoke_id,
                instance_id=list(instances[start : start + _MAX_STOPPED_AT_ONCE]),
            )
            self._attempt(partial(self._api.stop_invocation, request), "stop the script")

    def _pages(self, invoke_id: str) -> Iterator[Any]:
        from alibabacloud_ecs20140526 import models

        following: str | None = None
        while True:
            request = models.DescribeInvocationResultsRequest(
                region_id=self._region,
                invoke_id=invoke_id,
                content_encoding="Base64",
                max_results=_PAGE,
                next_token=following,
            )
            response = self._attempt(
                partial(self._api.describe_invocation_results, request), "ask for the results"
            )
            page = response.body.invocation
            if page is None:
                return
            yield from (page.invocation_results and page.invocation_results.invocation_result) or ()
            if not page.next_token or page.next_token == following:
                return
            following = page.next_token

    def _attempt(self, request: Callable[[], Result], doing: str) -> Result:
        for wait in (*self.retry_waits, None):
            if self.stopped.is_set():
                raise CloudAssistantError(f"cannot {doing}: it was told to stop")
            try:
                return request()
            except Exception as error:
                refusal = self._refusal(error, doing)
            # Outside of the except clause: what the SDK raises holds the whole request.
            if wait is None or not refusal.may_pass:
                break
            seconds = random.uniform(wait / 2, wait)
            _log.warning("%s; trying again in %.1f s", refusal, seconds)
            self.stopped.wait(seconds)
        raise refusal

    def _refusal(self, error: Exception, doing: str) -> CloudAssistantError:
        status = getattr(error, "status_code", None)
        if not isinstance(status, int):
            inner = getattr(error, "inner_exception", None) or error
            reason = self._told(getattr(inner, "message", "") or inner)
            return CloudAssistantError(f"cannot {doing}: no answer from ECS: {reason}", may_pass=True)
        code = str(getattr(error, "code", "") or "")
        message = self._told(getattr(error, "message", "") or error)
        hint = ""
        if code.startswith(_WRONG_KEYS):
            hint = f"; check the access key of connection {self._conn_id}"
        elif status == 403:
            hint = f"; give the access key of connection {self._conn_id} the right to do this"
        return CloudAssistantError(
            f"cannot {doing}: ECS answered {code}: {message}{hint}",
            code=code,
            may_pass=status >= 500 or status in _MAY_PASS or code.startswith(_MAY_PASS_CODES),
        )

    def _told(self, said: object) -> str:
        """Return what people may read of an error, which can quote the request, and so the whole script."""
        return self._redactor.redact(_QUOTED_REQUEST.sub("…", str(said)))


def _has_no_script(record: logging.LogRecord) -> bool:
    return "CommandContent" not in record.getMessage()


def _instance_result(found: Any) -> InstanceResult:
    error = ": ".join(part for part in (found.error_code, found.error_info) if part)
    return InstanceResult(
        instance=str(found.instance_id),
        status=str(found.invocation_status or ""),
        exit_code=found.exit_code,
        error=error,
        output=_decoded(found.output or ""),
        dropped=found.dropped or 0,
    )


def _decoded(output: str) -> str:
    try:
        return base64.b64decode(output, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return output
