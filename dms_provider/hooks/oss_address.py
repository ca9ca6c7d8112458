"""The address of an object: ``oss://CONNECTION/BUCKET/KEY``.

Source: flow-spec, *Node types* (``sql_file``, ``script_file``, ``unload``, ``report``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

OSS_SCHEME = "oss://"
OSS_PATTERN = r"^oss://[^/\s]+/[^/\s]+/[^/\\\s][^\x00-\x1f\x7f]*$"
"""An address with nothing left out; references are still in it where a spec has it."""

_PARTS = re.compile(r"oss://([^/\s]+)/([^/\s]+)/(.+)", re.DOTALL)
_MAX_KEY_BYTES = 1023


class WrongAddress(ValueError):
    """A text is no address of an object. The message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class OSSAddress:
    """Where an object lies.

    :param conn_id: Airflow connection of type ``oss``
    :param bucket: its bucket
    :param key: the object's name in the bucket
    """

    conn_id: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{OSS_SCHEME}{self.conn_id}/{self.bucket}/{self.key}"

    def below(self, name: str) -> OSSAddress:
        """Return the address of an object in the folder that this address names.

        :param name: of the object, without the folder
        """
        return OSSAddress(self.conn_id, self.bucket, f"{self.key.rstrip('/')}/{name}")


def parse_address(text: str) -> OSSAddress:
    """Return the parts of an address, once no reference is in it any more.

    :raises WrongAddress: it is no address, or OSS has no objects of such a name
    """
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise WrongAddress(f"{text!r} is no address of an object; write oss://CONNECTION/BUCKET/KEY")
    if not re.fullmatch(OSS_PATTERN, text):
        raise WrongAddress(
            f"{text!r}: a key does not begin with a slash or a space, and holds no control characters"
        )
    if len(parts[3].encode("utf-8", errors="replace")) > _MAX_KEY_BYTES:
        raise WrongAddress(f"{text[:80]!r}…: the key is longer than {_MAX_KEY_BYTES} bytes")
    return OSSAddress(parts[1], parts[2], parts[3])
