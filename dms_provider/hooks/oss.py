"""Object storage (OSS) through the package ``oss2``, which is imported when a connection is used.

Source: flow-spec, *Data sources* (``oss``).
"""

from __future__ import annotations

import importlib.util
import logging
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from airflow.sdk import BaseHook

from dms_provider.data_sources import DATA_SOURCES
from dms_provider.hooks.oss_address import OSSAddress, parse_address
from dms_provider.sessions.redaction import Redactor
from dms_provider.sessions.source import SourceError, find_connection

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
RETRY_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each further attempt of one request."""
MAX_TEXT_BYTES = 4 * 1024 * 1024

_REGION = re.compile(r"oss-([a-z]{2,}-[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com")
_NO_ANSWER = -2
_DAMAGED_ON_THE_WAY = -3
_MAY_PASS = frozenset({_NO_ANSWER, _DAMAGED_ON_THE_WAY, 408, 429})
_WRONG_KEYS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurityToken", "SecurityTokenExpired"}
)
Result = TypeVar("Result")


class OSSError(RuntimeError):
    """Object storage refused something, or did not answer. The message holds no secret.

    :param code: what OSS calls it; empty where it did not answer
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class OSSStopped(RuntimeError):
    """What was under way in object storage was told to end."""


class OSSHook(BaseHook):
    """Reads and writes objects over a connection of type ``oss``.

    The connection's login and password are the id and the secret of an access key; its host is the endpoint.
    Each request is tried again after a server error, a lost connection or damage on the way.

    :param oss_conn_id: Airflow connection
    :param owner: of the flow that uses it; ``None`` where it is not used by a flow
    """

    conn_name_attr = "oss_conn_id"
    default_conn_name = "oss_default"
    conn_type = "oss"
    hook_name = DATA_SOURCES["oss"].label

    def __init__(self, oss_conn_id: str = default_conn_name, *, owner: str | None = None) -> None:
        super().__init__()
        self.oss_conn_id = oss_conn_id
        self.retry_waits: Sequence[float] = RETRY_WAITS
        self._owner = owner
        self._made: tuple[Any, str, str | None, Any] | None = None
        self._redactor = Redactor()
        self._stop = threading.Event()

    def get_conn(self) -> Any:
        """Return the ``oss2.Service`` of the connection's endpoint.

        :raises SourceError: the connection is not there, may not be used, or is not complete
        """
        auth, endpoint, region, session = self._connection()
        import oss2

        return oss2.Service(auth, endpoint, session=session, connect_timeout=_timeouts(), region=region)

    def bucket(self, name: str) -> Any:
        """Return an ``oss2.Bucket``.

        :raises SourceError: as :meth:`get_conn`, or OSS has no buckets of such a name
        """
        auth, endpoint, region, session = self._connection()
        import oss2

        try:
            return oss2.Bucket(
                auth,
                endpoint,
                name,
                session=session,
                connect_timeout=_timeouts(),
                enable_crc=_reckons_crc_fast(),
                region=region,
            )
        except oss2.exceptions.ClientError as error:
            raise SourceError(f"connection {self.oss_conn_id}, bucket {name!r}: {error.body}") from None

    def test_connection(self) -> tuple[bool, str]:
        """Ask for one bucket of the account; keys that may not list buckets are good keys, too."""
        try:
            service = self.get_conn()
            self.attempt(lambda: service.list_buckets(max_keys=1), "list buckets")
        except OSSError as error:
            if error.code == "AccessDenied":
                return True, "The access key is right; it has no right to list buckets"
            return False, str(error)
        except (SourceError, ImportError) as error:
            return False, str(error)
        return True, "Connection successfully tested"

    def read(self, address: OSSAddress, *, max_bytes: int) -> bytes:
        """Return the content of a small object.

        :param max_bytes: how large it may be
        :raises OSSError: it is not there, may not be read, or is larger
        """
        bucket = self.bucket(address.bucket)

        def get() -> bytes:
            import oss2

            found = bucket.get_object(address.key)
            if (found.content_length or 0) > max_bytes:
                raise OSSError(f"{address} is larger than {max_bytes // 1024 // 1024} MiB", code="TooLarge")
            content: bytes = found.read()
            if found.server_crc is not None:
                oss2.utils.check_crc("get object", found.client_crc, found.server_crc, found.request_id)
            return content

        return self.attempt(get, f"read {address}")

    def put(self, address: OSSAddress, content: bytes, content_type: str) -> None:
        """Write a small object, or replace it; it is there as a whole or not at all.

        :raises OSSError: it may not be written, or OSS did not take it
        """
        import oss2

        bucket = self.bucket(address.bucket)
        headers = {"Content-Type": content_type, "Content-MD5": oss2.utils.content_md5(content)}
        self.attempt(lambda: bucket.put_object(address.key, content, headers=headers), f"write {address}")

    def attempt(self, request: Callable[[], Result], doing: str) -> Result:
        """Make one request, and make it again while its failure may pass.

        :param request: can be made twice
        :param doing: what it does, for the message
        :raises OSSError: OSS refused it, or did not answer the last attempt either
        :raises OSSStopped: :meth:`stop` was called
        """
        import oss2
        import requests

        for wait in (*self.retry_waits, None):
            if self._stop.is_set():
                raise OSSStopped(f"stopped: {doing} was told to end")
            refusal: OSSError
            try:
                return request()
            except oss2.exceptions.OssError as error:
                refusal = OSSError(self._message(error, doing), code=error.code or "")
                may_pass = error.status in _MAY_PASS or error.status >= 500
            except requests.RequestException as error:
                refusal = OSSError(f"cannot {doing}: no answer from OSS: {_reason(error)}")
                may_pass = True
            if wait is None or not may_pass:
                # Outside of an except clause: what oss2 raises holds the whole request.
                break
            self.log.warning("%s; trying again in %g s", refusal, wait)
            self._stop.wait(wait)
        raise refusal

    def stop(self) -> None:
        """Make no further request. Safe in a signal handler and in any thread."""
        self._stop.set()

    def _message(self, error: Any, doing: str) -> str:
        if error.status == _NO_ANSWER:
            return f"cannot {doing}: no answer from OSS: {_reason(error.exception)}"
        if error.status < 0:
            return f"cannot {doing}: {self._redactor.redact(str(error.body))}"
        hint = ""
        if error.code in _WRONG_KEYS:
            hint = f"; check the access key of connection {self.oss_conn_id}"
        elif error.status == 403:
            hint = f"; give the access key of connection {self.oss_conn_id} the right to do this"
        elif error.code == "NoSuchBucket":
            hint = "; name another bucket, or create it"
        elif error.status == 404:
            hint = "; there is no such object"
        says = ": ".join(part for part in (error.code, error.message) if part) or "no reason given"
        answer = f"OSS answered {error.status} {says} (request {error.request_id or 'unknown'})"
        return f"cannot {doing}: {self._redactor.redact(answer)}{hint}"

    def _connection(self) -> tuple[Any, str, str | None, Any]:
        if self._made is None:
            self._made = self._read_connection()
        return self._made

    def _read_connection(self) -> tuple[Any, str, str | None, Any]:
        connection = (
            self.get_connection(self.oss_conn_id)
            if self._owner is None
            else find_connection(self.oss_conn_id, owner=self._owner)
        )
        extra = connection.extra_dejson
        place = f"connection {self.oss_conn_id}"
        _check_record(connection)
        key_id, secret, host = connection.login or "", connection.password or "", connection.host or ""
        token = extra.get("security_token")
        self._redactor.add([secret, token])
        version = str(extra.get("auth_version") or "v4").lower()
        if version not in ("v1", "v4"):
            raise SourceError(f"{place}: extra auth_version is v1 or v4, not {version!r}")
        endpoint = host if "://" in host else f"https://{host}"
        if connection.port:
            endpoint = f"{endpoint}:{connection.port}"
        found = _REGION.search(endpoint)
        region = extra.get("region") or (found[1] if found else None)
        if version == "v4" and not region:
            raise SourceError(f"{place}: give the extra region, which the endpoint does not tell")
        try:
            import oss2
        except ImportError:
            raise SourceError(f"{place}: install airflow-provider-dms[oss], which brings oss2") from None
        # It logs each refused request at INFO, even one that is made again.
        logging.getLogger("oss2").setLevel(logging.WARNING)
        if token:
            auth = oss2.StsAuth(key_id, secret, token, auth_version=version)
        else:
            auth = oss2.make_auth(key_id, secret, version)
        return auth, endpoint, region, oss2.Session()


def check_connection(conn_id: str, *, owner: str) -> None:
    """Look whether a connection's record is one of object storage. No driver is loaded, and nothing asked.

    :param owner: of the flow that is to use it
    :raises SourceError: the connection is not there, may not be used, or is not complete
    """
    _check_record(find_connection(conn_id, owner=owner))


def _check_record(connection: Any) -> None:
    place = f"connection {connection.conn_id}"
    if connection.conn_type != OSSHook.conn_type:
        raise SourceError(f"{place} is of type {connection.conn_type!r}; object storage needs type 'oss'")
    if not connection.login or not connection.password or not connection.host:
        raise SourceError(
            f"{place}: login (access key id), password (access key secret) and host (endpoint) are needed"
        )


def read_text(address: str, *, owner: str) -> str:
    """Read a script or statements from object storage.

    :param address: ``oss://CONNECTION/BUCKET/KEY``, without references
    :param owner: of the flow
    :raises WrongAddress: it is no address of an object
    :raises SourceError: the connection cannot be used
    :raises OSSError: the object cannot be read, is too large, or is no text in UTF-8
    """
    place = parse_address(address)
    data = OSSHook(place.conn_id, owner=owner).read(place, max_bytes=MAX_TEXT_BYTES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise OSSError(f"{place} is not UTF-8: line {line} has the byte 0x{data[error.start]:02x}") from None
    if "\0" in text:
        raise OSSError(f"{place} holds a NUL character: it is no text")
    if not text.strip():
        raise OSSError(f"{place} is empty")
    return text


def write_object(address: str, content: bytes, *, content_type: str, owner: str) -> None:
    """Write a small object, or replace it.

    :param address: ``oss://CONNECTION/BUCKET/KEY``, without references
    :param content_type: its media type
    :param owner: of the flow
    :raises WrongAddress: it is no address of an object
    :raises SourceError: the connection cannot be used
    :raises OSSError: OSS refused it
    """
    place = parse_address(address)
    OSSHook(place.conn_id, owner=owner).put(place, content, content_type)


def _timeouts() -> tuple[float, float]:
    return CONNECT_SECONDS, READ_SECONDS


def _reckons_crc_fast() -> bool:
    """Return whether CRC64 is compiled: in Python alone it takes a second for each megabyte."""
    return importlib.util.find_spec("crcmod._crcfunext") is not None


def _reason(error: BaseException) -> str:
    """Return the innermost reason of a failed request, without the request."""
    seen = error
    while (inner := seen.__cause__ or seen.__context__) is not None:
        seen = inner
    return f"{type(seen).__name__}: {seen}"
