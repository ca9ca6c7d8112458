"""The signatures of requests to MaxCompute, version 2 and 4, reckoned from the request as it arrived."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


def signature_problem(method: str, url: str, headers: Any, keys: Mapping[str, str]) -> str | None:
    """Return what is wrong with a request's signature.

    :param url: of the request, from behind the endpoint
    :param keys: id of each access key -> its secret
    """
    scheme, _, rest = str(headers.get("Authorization", "")).partition(" ")
    credential, _, signature = rest.rpartition(":")
    key_id, *scope = credential.split("/")
    if scheme != "ODPS" or key_id not in keys:
        return f"unknown access key {key_id!r}"
    key = keys[key_id].encode()
    if scope:
        date, region, service, end = scope
        key = b"aliyun_v4" + key
        for part in (date, region, service, end):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    expected = hmac.new(key, _signed(method, url, headers).encode(), hashlib.sha1).digest()
    if not hmac.compare_digest(base64.b64encode(expected).decode(), signature):
        return "the signature does not match"
    return None


def _signed(method: str, url: str, headers: Any) -> str:
    """Return what a signature is of: method, some headers, and the resource with its sorted query."""
    named = {"content-md5": "", "content-type": "", "date": ""}
    for name, value in headers.items():
        if name.lower() in named or name.lower().startswith("x-odps-"):
            named[name.lower()] = value
    parts = urlsplit(unquote(url))
    query = sorted(dict(parse_qsl(parts.query, keep_blank_values=True)).items())
    resource = parts.path
    if query:
        resource += "?" + "&".join(f"{name}={value}" if value else name for name, value in query)
    lines = [
        f"{name}:{value}" if name.startswith("x-odps-") else value for name, value in sorted(named.items())
    ]
    return "\n".join([method, *lines, resource])
