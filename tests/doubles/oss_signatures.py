"""OSS's signatures of version 1 (HMAC-SHA1) and 4 (HMAC-SHA256), as its server verifies them.

Written from OSS's documentation of them. It does not do signatures in query strings, or of version 2.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

_SUB_RESOURCES = frozenset({"uploads", "uploadId", "partNumber", "acl", "delete", "append", "position"})
_V1 = re.compile(r"OSS ([^:]+):(.+)")
_V4 = re.compile(
    r"OSS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]*)/oss/aliyun_v4_request, ?Signature=([0-9a-f]{64})"
    r"(?:, ?AdditionalHeaders=(.*))?"
)


@dataclass(frozen=True)
class AccessKey:
    """An access key; with a token only for requests that bring it."""

    secret: str
    token: str | None = None


@dataclass(frozen=True)
class Signed:
    """What a signature is of."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    def header(self, name: str) -> str:
        return self.own.get(name, "")

    @property
    def own(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    @property
    def of_oss(self) -> list[tuple[str, str]]:
        return sorted((name, value) for name, value in self.own.items() if name.startswith("x-oss-"))


def signature_problem(request: Signed, keys: Mapping[str, AccessKey]) -> str | None:
    """Return OSS's code for what is wrong with a request's signature."""
    given = request.header("authorization")
    if v4 := _V4.fullmatch(given):
        key_id, signature = v4[1], v4[4]
    elif v1 := _V1.fullmatch(given):
        key_id, signature = v1[1], v1[2]
    else:
        return "AccessDenied"
    key = keys.get(key_id)
    if key is None:
        return "InvalidAccessKeyId"
    if key.token != (request.header("x-oss-security-token") or None):
        return "InvalidSecurityToken"
    right = _version_4(request, key.secret, v4) if v4 else _version_1(request, key.secret)
    return None if hmac.compare_digest(signature, right) else "SignatureDoesNotMatch"


def _version_1(request: Signed, secret: str) -> str:
    sub_resources = "&".join(
        f"{name}={value}" if value else name
        for name, value in sorted(request.query.items())
        if name in _SUB_RESOURCES
    )
    path = f"/{request.bucket}/{request.key}" if request.bucket else "/"
    text = "\n".join(
        [
            request.method,
            request.header("content-md5"),
            request.header("content-type"),
            request.header("x-oss-date") or request.header("date"),
            "".join(f"{name}:{value}\n" for name, value in request.of_oss)
            + path
            + (f"?{sub_resources}" if sub_resources else ""),
        ]
    )
    return base64.b64encode(_hmac(secret.encode(), text, "sha1")).decode()


def _version_4(request: Signed, secret: str, given: re.Match[str]) -> str:
    day, region, more = given[2], given[3], [name for name in (given[5] or "").split(";") if name]
    signed = {"content-type", "content-md5", *more}
    headers = sorted([*request.of_oss, *((n, v) for n, v in request.own.items() if n in signed)])
    query = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in request.query.items())
    canonical = "\n".join(
        [
            request.method,
            quote(f"/{request.bucket}/{request.key}" if request.bucket else "/", safe="/"),
            "&".join(f"{name}={value}" if value else name for name, value in query),
            "".join(f"{name}:{value}\n" for name, value in headers),
            ";".join(sorted(more)),
            request.header("x-oss-content-sha256"),
        ]
    )
    scope = f"{day}/{region}/oss/aliyun_v4_request"
    text = "\n".join(
        [
            "OSS4-HMAC-SHA256",
            request.header("x-oss-date"),
            scope,
            hashlib.sha256(canonical.encode()).hexdigest(),
        ]
    )
    key = f"aliyun_v4{secret}".encode()
    for part in (day, region, "oss", "aliyun_v4_request"):
        key = _hmac(key, part, "sha256")
    return _hmac(key, text, "sha256").hex()


def _hmac(key: bytes, text: str, algorithm: str) -> bytes:
    return hmac.new(key, text.encode(), algorithm).digest()
