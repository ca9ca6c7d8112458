"""Object storage through the real ``oss2``, against a double that verifies signatures."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dms_provider.hooks import oss
from dms_provider.hooks.oss import OSSError, OSSHook, OSSStopped, read_text, write_object
from dms_provider.hooks.oss_address import OSSAddress, WrongAddress, parse_address
from dms_provider.sessions.source import SourceError
from tests.doubles.oss import Fault, ObjectStorage
from tests.doubles.oss_signatures import AccessKey

ODD_KEY = "报表/a b+c&d=%41.sql"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let further attempts of a request follow at once."""
    monkeypatch.setattr(oss, "RETRY_WAITS", (0.01, 0.01))


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStorage]:
    with ObjectStorage() as running:
        yield running


@pytest.fixture
def storage(server: ObjectStorage) -> ObjectStorage:
    """An empty storage."""
    server.buckets = {"bucket": {}}
    server.uploads.clear()
    server.counts.clear()
    server.faults.clear()
    server.keys = {"test-key": AccessKey("test-secret")}
    return server


Connect = Callable[..., None]


@pytest.fixture
def connect(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Make the connection ``archive`` to the storage: with other extras, or other fields."""

    def connect(extra: dict[str, Any] | None = None, **fields: Any) -> None:
        record = {**storage.connection(**(extra or {})), **fields}
        monkeypatch.setenv("AIRFLOW_CONN_ARCHIVE", json.dumps(record))

    connect()
    return connect


@pytest.mark.parametrize("version", ["v1", "v4"])
@pytest.mark.parametrize("token", [None, "of-the-session"])
def test_both_signatures_with_and_without_a_token(
    storage: ObjectStorage, connect: Connect, version: str, token: str | None
) -> None:
    storage.keys["test-key"] = AccessKey("test-secret", token)
    connect({"auth_version": version, **({"security_token": token} if token else {})})
    write_object(
        f"oss://archive/bucket/{ODD_KEY}", "SELECT '航'".encode(), content_type="text/plain", owner="a"
    )
    assert storage.text(ODD_KEY) == "SELECT '航'"
    assert storage.buckets["bucket"][ODD_KEY].content_type == "text/plain"
    assert read_text(f"oss://archive/bucket/{ODD_KEY}", owner="alice") == "SELECT '航'"
    assert OSSHook("archive").test_connection() == (True, "Connection successfully tested")


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_a_wrong_secret_is_told_from_a_missing_right(
    storage: ObjectStorage, connect: Connect, version: str
) -> None:
    connect({"auth_version": version}, password="not-the-secret")
    works, message = OSSHook("archive").test_connection()
    assert not works
    assert message.startswith("cannot list buckets: OSS answered 403 SignatureDoesNotMatch: ")
    assert message.endswith("; check the access key of connection archive")
    assert "not-the-secret" not in message
    connect({"auth_version": version})
    storage.faults.append(Fault("buckets", status=403, code="AccessDenied"))
    assert OSSHook("archive").test_connection()[0]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("get", 2, status=503, code="ServiceUnavailable"),
        Fault("get", 2, cut="before"),
        Fault("get", 2, cut="after"),
    ],
    ids=["503", "no answer", "half an answer"],
)
def test_what_may_pass_is_tried_again(storage: ObjectStorage, connect: Connect, fault: Fault) -> None:
    storage.store("load.sql", b"SELECT 1")
    storage.faults.append(fault)
    assert read_text("oss://archive/bucket/load.sql", owner="alice") == "SELECT 1"
    assert storage.counts["get"] == 3


def test_what_does_not_pass_is_told_in_the_end(storage: ObjectStorage, connect: Connect) -> None:
    storage.faults.append(Fault("put", 9, status=500))
    with pytest.raises(
        OSSError, match=r"^cannot write oss://archive/bucket/x: OSS answered 500 Internal"
    ) as e:
        write_object("oss://archive/bucket/x", b"x", content_type="text/plain", owner="alice")
    assert e.value.code == "InternalError"
    assert e.value.__cause__ is e.value.__context__ is None
    assert storage.counts["put"] == 3
    connect(host="http://127.0.0.1:1")
    with pytest.raises(OSSError, match=r"cannot read .*: no answer from OSS: ConnectionRefusedError"):
        read_text("oss://archive/bucket/x", owner="alice")


def test_nothing_is_asked_after_a_stop(storage: ObjectStorage, connect: Connect) -> None:
    hook = OSSHook("archive")
    hook.stop()
    with pytest.raises(OSSStopped):
        hook.put(OSSAddress("archive", "bucket", "x"), b"x", "text/plain")
    assert not storage.counts


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("bucket/nowhere.sql", "OSS answered 404 NoSuchKey: .*; there is no such object"),
        ("elsewhere/load.sql", "OSS answered 404 NoSuchBucket: .*; name another bucket"),
        ("bucket/large.sql", "is larger than 4 MiB"),
        ("bucket/latin.sql", "is not UTF-8: line 2 has the byte 0xe9"),
        ("bucket/empty.sql", "is empty"),
        ("bucket/binary.sql", "holds a NUL character"),
    ],
)
def test_a_text_that_cannot_be_read(storage: ObjectStorage, connect: Connect, key: str, says: str) -> None:
    storage.store("large.sql", b"-" * (oss.MAX_TEXT_BYTES + 1))
    storage.store("latin.sql", b"SELECT 1;\nSELECT '\xe9'")
    storage.store("empty.sql", b" \n")
    storage.store("binary.sql", b"SELECT\0")
    with pytest.raises(OSSError, match=f"oss://archive/{key}.*{says}"):
        read_text(f"oss://archive/{key}", owner="alice")
    assert storage.counts["get"] == 1


def test_a_missing_right_names_what_was_to_be_done(storage: ObjectStorage, connect: Connect) -> None:
    storage.faults.append(Fault("get", status=403, code="AccessDenied"))
    with pytest.raises(OSSError, match=r"cannot read oss://archive/bucket/x: .*connection archive the right"):
        read_text("oss://archive/bucket/x", owner="alice")


@pytest.mark.parametrize(
    ("extra", "fields", "says"),
    [
        ({"allowed_owners": ["bob"]}, {}, "may not be used by flows of alice"),
        ({}, {"conn_type": "http"}, "is of type 'http'; object storage needs type 'oss'"),
        ({}, {"password": ""}, r"login \(access key id\), password"),
        ({"auth_version": "v9"}, {}, "auth_version is v1 or v4, not 'v9'"),
        ({"region": None}, {}, "give the extra region"),
    ],
)
def test_a_connection_that_cannot_be_used(
    connect: Connect, extra: dict[str, Any], fields: dict[str, Any], says: str
) -> None:
    connect(extra, **fields)
    with pytest.raises(SourceError, match=f"connection archive.*{says}"):
        read_text("oss://archive/bucket/x", owner="alice")


@pytest.mark.parametrize(
    "endpoint", ["oss-cn-hangzhou.aliyuncs.com", "oss-cn-hangzhou-internal.aliyuncs.com"]
)
def test_the_endpoint_tells_the_region_and_is_asked_over_tls(connect: Connect, endpoint: str) -> None:
    connect({"region": None}, host=endpoint)
    bucket = OSSHook("archive").bucket("bucket")
    assert (bucket.region, bucket.endpoint) == ("cn-hangzhou", f"https://{endpoint}")


@pytest.mark.parametrize(
    "text",
    ["oss://a/b", "oss://a/b/", "oss://a//k", "oss:///b/k", "s3://a/b/k", "oss://a/b//k", "oss://a/b/k\n"],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(WrongAddress):
        parse_address(text)


def test_parts_of_an_address() -> None:
    address = parse_address("oss://archive/bucket/2023-08-03 00:00/x.csv")
    assert address == OSSAddress("archive", "bucket", "2023-08-03 00:00/x.csv")
    assert parse_address(str(address)) == address
    assert str(OSSAddress("a", "b", "reports/").below("x.html")) == "oss://a/b/reports/x.html"
    with pytest.raises(WrongAddress, match="longer than 1023 bytes"):
        parse_address("oss://archive/bucket/" + "航" * 400)


def test_a_missing_package_is_told_with_what_to_install(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "oss2", None)
    needed = r"connection archive: install airflow-provider-dms\[oss\]"
    with pytest.raises(SourceError, match=needed):
        read_text("oss://archive/bucket/x.sql", owner="alice")
    works, message = OSSHook("archive").test_connection()
    assert not works
    assert re.match(needed, message)
