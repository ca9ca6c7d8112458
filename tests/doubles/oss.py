"""A double of Alibaba Cloud OSS: an HTTP server that speaks what the real ``oss2`` needs of its REST API.

It has buckets and objects (put, get with ranges, head, delete, list), multipart uploads (begin, part, list,
complete, abort) and lists of buckets. Signatures of version 1 and 4 are verified, security tokens compared.
Content-MD5 is checked, CRC64 and ETag are answered as OSS does, a part but the last of less than 100 KiB is
refused. Requests are counted; they fail, hang, are slow or lose their connection when a test says so.

It does not do: virtual-hosted names of buckets, presigned URLs, time limits of signatures, rights of keys,
versions, ACLs, append, copy, batch delete, encryption, callbacks, list v2, more than one page of a list.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import crcmod

from tests.doubles.oss_contents import Content, Fault, Upload
from tests.doubles.oss_signatures import AccessKey, Signed, signature_problem

__all__ = ["Content", "Fault", "ObjectStorage"]

SMALLEST_PART = 100 * 1024
_BLOCK = 1 << 16
_crc64 = crcmod.mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, xorOut=0xFFFFFFFFFFFFFFFF, rev=True)


class ObjectStorage:
    """The server.

    :param port: of 127.0.0.1; 0 for a free one
    :param keeps: whether contents are kept; else only counted
    """

    def __init__(self, port: int = 0, *, keeps: bool = True) -> None:
        self.keys = {"test-key": AccessKey("test-secret")}
        self.buckets: dict[str, dict[str, Content]] = {"bucket": {}}
        self.uploads: dict[str, Upload] = {}
        self.counts: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.keeps = keeps
        self.bytes_received = 0
        self._gates: dict[str, threading.Event] = {}
        self._lock = threading.RLock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.storage = self  # type: ignore[attr-defined]  # how its handlers find it

    def __enter__(self) -> ObjectStorage:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for gate in self._gates.values():
            gate.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def connection(self, **extra: Any) -> dict[str, Any]:
        """Return an Airflow connection to this server."""
        return {
            "conn_type": "oss",
            "login": "test-key",
            "password": "test-secret",
            "host": self.endpoint,
            "extra": {"region": "cn-test", **extra},
        }

    def text(self, key: str, bucket: str = "bucket") -> str:
        return self.buckets[bucket][key].data.decode()

    def store(self, key: str, data: bytes, bucket: str = "bucket") -> None:
        self.buckets[bucket][key] = Content(data, len(data), hashlib.md5(data).digest())

    @contextmanager
    def hanging(self, operation: str) -> Iterator[None]:
        """Let requests of one operation hang for as long as this lasts."""
        gate = self._gates[operation] = threading.Event()
        try:
            yield
        finally:
            del self._gates[operation]
            gate.set()

    def fault(self, operation: str) -> Fault | None:
        with self._lock:
            self.counts[operation] += 1
            for fault in self.faults:
                if fault.operation == operation and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def wait_at_gate(self, operation: str) -> None:
        if (gate := self._gates.get(operation)) is not None:
            gate.wait()

    def begin(self, bucket: str, key: str, content_type: str) -> str:
        with self._lock:
            upload_id = f"{len(self.uploads) + self.counts['begin']:032X}"
            self.uploads[upload_id] = Upload(bucket, key, content_type)
            return upload_id

    def complete(self, upload_id: str, wanted: list[tuple[int, str]]) -> Content:
        """Make the object of an upload's parts, or refuse to."""
        with self._lock:
            upload = self.uploads[upload_id]
            parts = []
            for number, etag in wanted:
                part = upload.parts.get(number)
                if part is None or part.etag != etag.strip('"'):
                    raise _Refusal(400, "InvalidPart")
                parts.append(part)
            if [number for number, _ in wanted] != sorted({number for number, _ in wanted}):
                raise _Refusal(400, "InvalidPartOrder")
            if any(part.size < SMALLEST_PART for part in parts[:-1]):
                raise _Refusal(400, "EntityTooSmall")
            data = b"".join(part.data for part in parts)
            md5 = hashlib.md5(b"".join(part.md5 for part in parts)).digest()
            made = Content(data, sum(part.size for part in parts), md5, upload.content_type)
            self.buckets[upload.bucket][upload.key] = made
            del self.uploads[upload_id]
            return made


class _Refusal(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class _Cut(Exception):
    """The connection is to be cut."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients go away as tests want them to."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (_Cut, ConnectionError):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        storage: ObjectStorage = self.server.storage  # type: ignore[attr-defined]  # see ObjectStorage
        address = urlsplit(self.path)
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        bucket, _, key = unquote(address.path).lstrip("/").partition("/")
        body = self._body(storage)
        operation = _operation(self.command, bucket, key, query)
        fault = storage.fault(operation)
        try:
            signed = Signed(self.command, bucket, key, query, dict(self.headers.items()))
            if problem := signature_problem(signed, storage.keys):
                raise _Refusal(403, problem)
            storage.wait_at_gate(operation)
            if fault is not None:
                time.sleep(fault.seconds)
                if fault.cut == "before":
                    raise _Cut
                if fault.status:
                    raise _Refusal(fault.status, fault.code)
            if bucket and bucket not in storage.buckets:
                raise _Refusal(404, "NoSuchBucket")
            if "uploadId" in query and query["uploadId"] not in storage.uploads:
                raise _Refusal(404, "NoSuchUpload")
            getattr(self, f"_{operation}")(storage, bucket, key, query, body, fault)
        except _Refusal as refusal:
            xml = f"<Error><Code>{refusal.code}</Code><Message>refused by the double</Message></Error>"
            error = base64.b64encode(xml.encode()).decode()
            self._answer(refusal.status, xml, {"x-oss-err": error})

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve

    def _body(self, storage: ObjectStorage) -> Content:
        size = int(self.headers.get("Content-Length") or 0)
        md5, kept, left = hashlib.md5(), [], size
        while left and (block := self.rfile.read(min(left, _BLOCK))):
            left -= len(block)
            md5.update(block)
            if storage.keeps or self.command == "POST":
                kept.append(block)
        if left:
            raise _Cut
        storage.bytes_received += size
        return Content(b"".join(kept), size, md5.digest(), self.headers.get("Content-Type") or "")

    def _answer(self, status: int, text: str = "", headers: dict[str, str] | None = None) -> None:
        self._send(status, text.encode(), {"Content-Type": "application/xml", **(headers or {})})

    def _send(self, status: int, data: bytes, headers: dict[str, str], size: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data) if size is None else size))
        self.send_header("x-oss-request-id", "DOUBLE")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()

    def _stored(self, storage: ObjectStorage, content: Content, fault: Fault | None, text: str = "") -> None:
        if fault is not None and fault.cut == "after":
            raise _Cut
        self._answer(200, text, _headers(storage, content))

    def _check_md5(self, body: Content) -> None:
        wanted = self.headers.get("Content-MD5")
        if wanted is not None and base64.b64decode(wanted) != body.md5:
            raise _Refusal(400, "InvalidDigest")

    def _buckets(self, storage: ObjectStorage, *_: Any) -> None:
        names = "".join(
            f"<Bucket><Name>{name}</Name><Location>oss-cn-test</Location><StorageClass>Standard</StorageClass>"
            "<CreationDate>2026-01-01T00:00:00.000Z</CreationDate>"
            "<ExtranetEndpoint>-</ExtranetEndpoint><IntranetEndpoint>-</IntranetEndpoint></Bucket>"
            for name in storage.buckets
        )
        self._answer(
            200,
            "<ListAllMyBucketsResult><Prefix/><Marker/><IsTruncated>false</IsTruncated>"
            f"<Buckets>{names}</Buckets></ListAllMyBucketsResult>",
        )

    def _put(self, storage: ObjectStorage, bucket: str, key: str, _: Any, body: Content, fault: Any) -> None:
        self._check_md5(body)
        storage.buckets[bucket][key] = body
        self._stored(storage, body, fault)

    def _get(self, storage: ObjectStorage, bucket: str, key: str, _: Any, __: Any, fault: Any) -> None:
        found = storage.buckets[bucket].get(key)
        if found is None:
            raise _Refusal(404, "NoSuchKey")
        data, status, headers = found.data, 200, _headers(storage, found)
        if (wanted := self.headers.get("Range", "")).startswith("bytes="):
            first, last = wanted.removeprefix("bytes=").split("-")
            end = min(int(last or found.size - 1), found.size - 1)
            data, status = found.data[int(first) : end + 1], 206
            headers["Content-Range"] = f"bytes {first}-{end}/{found.size}"
        if fault is not None and fault.cut == "after":
            self._send(status, data[: len(data) // 2], headers, len(data))
            raise _Cut
        self._send(status, data, headers, found.size if self.command == "HEAD" else None)

    _head = _get

    def _delete(self, storage: ObjectStorage, bucket: str, key: str, *_: Any) -> None:
        storage.buckets[bucket].pop(key, None)
        self._answer(204)

    def _list(self, storage: ObjectStorage, bucket: str, _: str, query: dict[str, str], *__: Any) -> None:
        contents = "".join(
            f"<Contents><Key>{quote(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{found.etag}</ETag><Type>Normal</Type><Size>{found.size}</Size>"
            "<StorageClass>Standard</StorageClass></Contents>"
            for key, found in sorted(storage.buckets[bucket].items())
            if key.startswith(query.get("prefix", ""))
        )
        self._answer(
            200,
            "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
            f"{contents}</ListBucketResult>",
        )

    def _uploads(self, storage: ObjectStorage, bucket: str, _: str, query: dict[str, str], *__: Any) -> None:
        uploads = "".join(
            f"<Upload><Key>{quote(upload.key)}</Key><UploadId>{upload_id}</UploadId>"
            "<Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload>"
            for upload_id, upload in storage.uploads.items()
            if upload.bucket == bucket and upload.key.startswith(query.get("prefix", ""))
        )
        self._answer(
            200,
            "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
            f"<NextKeyMarker/><NextUploadIdMarker/>{uploads}</ListMultipartUploadsResult>",
        )

    def _begin(self, storage: ObjectStorage, bucket: str, key: str, _: Any, __: Any, fault: Any) -> None:
        upload_id = storage.begin(bucket, key, self.headers.get("Content-Type") or "")
        xml = (
            f"<InitiateMultipartUploadResult><UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>"
        )
        if fault is not None and fault.cut == "after":
            raise _Cut
        self._answer(200, xml)

    def _part(
        self, storage: ObjectStorage, _: str, __: str, query: dict[str, str], body: Content, fault: Any
    ) -> None:
        self._check_md5(body)
        upload = storage.uploads.get(query["uploadId"])
        if upload is None:
            raise _Refusal(404, "NoSuchUpload")
        upload.parts[int(query["partNumber"])] = body
        self._stored(storage, body, fault)

    def _parts(self, storage: ObjectStorage, _: str, __: str, query: dict[str, str], *___: Any) -> None:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{part.etag}</ETag><Size>{part.size}</Size>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Part>"
            for number, part in sorted(storage.uploads[query["uploadId"]].parts.items())
        )
        self._answer(
            200,
            "<ListPartsResult><IsTruncated>false</IsTruncated><NextPartNumberMarker/>"
            f"{parts}</ListPartsResult>",
        )

    def _complete(
        self, storage: ObjectStorage, _: str, __: str, query: dict[str, str], body: Content, fault: Any
    ) -> None:
        wanted = [
            (int(part.findtext("PartNumber") or 0), part.findtext("ETag") or "")
            for part in ElementTree.fromstring(body.data).findall("Part")
        ]
        made = storage.complete(query["uploadId"], wanted)
        self._stored(storage, made, fault, "<CompleteMultipartUploadResult/>")

    def _abort(self, storage: ObjectStorage, _: str, __: str, query: dict[str, str], *___: Any) -> None:
        storage.uploads.pop(query["uploadId"], None)
        self._answer(204)


def _operation(method: str, bucket: str, key: str, query: dict[str, str]) -> str:
    if not bucket:
        return "buckets"
    if not key:
        return "uploads" if "uploads" in query else "list"
    if "uploads" in query:
        return "begin"
    if "uploadId" in query:
        return {"PUT": "part", "POST": "complete", "DELETE": "abort", "GET": "parts"}[method]
    return method.lower()


def _headers(storage: ObjectStorage, content: Content) -> dict[str, str]:
    headers = {"ETag": f'"{content.etag}"', "Content-Type": content.content_type or "binary/octet-stream"}
    if storage.keeps:
        headers["x-oss-hash-crc64ecma"] = str(_crc64(content.data))
    return headers
