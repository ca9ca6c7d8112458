"""What the double of OSS keeps, and what a test can let go wrong in it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Content:
    """What was stored: an object, or a part of one. ``data`` is empty where contents are not kept."""

    data: bytes
    size: int
    md5: bytes
    content_type: str = ""

    @property
    def etag(self) -> str:
        return self.md5.hex().upper()


@dataclass
class Upload:
    """A multipart upload that has begun."""

    bucket: str
    key: str
    content_type: str
    parts: dict[int, Content] = field(default_factory=dict)


@dataclass
class Fault:
    """What goes wrong with the next requests of one operation.

    :param operation: as the double counts it
    :param times: how many requests
    :param status: answered instead of doing it; 0 to do it all the same
    :param code: OSS's word for it
    :param cut: the connection is cut ``before`` or ``after`` it is done
    :param seconds: waited first
    """

    operation: str
    times: int = 1
    status: int = 0
    code: str = "InternalError"
    cut: str = ""
    seconds: float = 0.0
