"""One object, written in parts: it is in its place as a whole, or not at all.

The next part is filled while one is on its way, in a thread of its own, so that there are never more than two
of them in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from dms_provider.hooks.oss import OSSError, OSSHook, OSSStopped
from dms_provider.hooks.oss_address import OSSAddress
from dms_provider.sessions.source import SourceError

PART_BYTES = 8 * 1024 * 1024
PARTS_OF_A_SIZE = 1000
"""After so many parts each further one is larger: an object has 10,000 parts at most."""
ABORT_SECONDS = 3.0
"""Airflow ends a process 5 seconds after it has told it to stop."""

_Outcome = tuple[Any, BaseException | None]
_STOPPED: _Outcome = (None, OSSStopped("stopped: the unload was told to end; nothing of it is in its place"))


class ObjectWriter:
    """Writes one object. Use it in a ``with`` statement, in the main thread of a process.

    Without :meth:`finish` nothing is in the object's place, and what was sent is thrown away.

    :param hook: of the address's connection
    :param address: where the object goes; what lies there is replaced at the end
    :param media_type: of the object
    :param remember: is told the id of a multipart upload before its first part is sent
    :param forget: is told the id once nothing is left of the upload
    """

    def __init__(
        self,
        hook: OSSHook,
        address: OSSAddress,
        media_type: str,
        *,
        remember: Callable[[str], None],
        forget: Callable[[str], None],
    ) -> None:
        self._hook = hook
        self._address = address
        self._headers = {"Content-Type": media_type}
        self._remember = remember
        self._forget = forget
        self._bucket = hook.bucket(address.bucket)
        self._chunks: list[bytes] = []
        self._filled = 0
        self._upload_id: str | None = None
        self._parts: list[Any] = []
        self._work: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[_Outcome] = SimpleQueue()
        self._under_way = False
        self._finished = False
        self.bytes_written = 0

    def __enter__(self) -> ObjectWriter:
        threading.Thread(target=self._serve, name="unload", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._work.put(None)
        if self._upload_id is not None and not self._finished:
            self._hook.stop()
            gone = abort_upload(self._hook, self._address, self._upload_id)
            # A part that is still on its way may arrive after all: then the next try has to end it.
            if gone and not self._under_way:
                self._forget(self._upload_id)

    def write(self, data: bytes) -> None:
        """Take more of the object's content.

        :raises OSSError: a part could not be written
        :raises OSSStopped: :meth:`stop` was called
        """
        self._chunks.append(data)
        self._filled += len(data)
        self.bytes_written += len(data)
        if self._filled >= PART_BYTES * (1 + len(self._parts) // PARTS_OF_A_SIZE):
            self._send_part()

    def finish(self) -> None:
        """Put the object in its place, and look whether it is what was written.

        :raises OSSError: it could not be done, or what is there now is something else
        :raises OSSStopped: :meth:`stop` was called
        """
        if self._upload_id is None:
            content = b"".join(self._chunks)
            self._do(lambda: self._hook.put(self._address, content, self._headers["Content-Type"]))
        else:
            if self._chunks:
                self._send_part()
            self._settle()
            self._do(self._complete)
        self._finished = True
        if self._upload_id is not None:
            self._forget(self._upload_id)
        self._do(self._check)

    def stop(self) -> None:
        """Wake whoever waits, and send nothing more. Safe in a signal handler and in any thread."""
        self._hook.stop()
        self._outcomes.put(_STOPPED)

    def _send_part(self) -> None:
        self._settle()
        if self._upload_id is None:
            self._upload_id = self._do(self._begin)
            self._remember(self._upload_id)
        content = b"".join(self._chunks)
        self._chunks.clear()
        self._filled = 0
        number = len(self._parts) + 1
        self._submit(lambda: self._put_part(number, content))

    def _submit(self, work: Callable[[], Any]) -> None:
        self._under_way = True
        self._work.put(work)

    def _settle(self) -> None:
        """Wait for the part that is on its way."""
        if self._under_way:
            self._parts.append(self._result())

    def _do(self, work: Callable[[], Any]) -> Any:
        self._submit(work)
        return self._result()

    def _result(self) -> Any:
        outcome = self._outcomes.get()
        if outcome is _STOPPED:
            self._outcomes.put(_STOPPED)
        else:
            self._under_way = False
        result, error = outcome
        if error is not None:
            raise error
        return result

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            outcome: _Outcome
            try:
                outcome = (work(), None)
            except BaseException as error:
                outcome = (None, error)
            self._outcomes.put(outcome)
            del work, outcome

    def _begin(self) -> Any:
        return self._hook.attempt(
            lambda: self._bucket.init_multipart_upload(self._address.key, headers=self._headers).upload_id,
            f"begin to write {self._address}",
        )

    def _put_part(self, number: int, content: bytes) -> Any:
        from oss2.models import PartInfo
        from oss2.utils import content_md5

        headers = {"Content-MD5": content_md5(content)}
        sent = self._hook.attempt(
            lambda: self._bucket.upload_part(
                self._address.key, self._upload_id, number, content, headers=headers
            ),
            f"write part {number} of {self._address}",
        )
        return PartInfo(number, sent.etag, size=len(content), part_crc=sent.crc)

    def _complete(self) -> None:
        """Make the object of its parts; an answer that was lost is asked for in another way."""
        from oss2.exceptions import NoSuchUpload

        attempts = 0

        def complete() -> None:
            nonlocal attempts
            attempts += 1
            try:
                self._bucket.complete_multipart_upload(self._address.key, self._upload_id, self._parts)
            except NoSuchUpload:
                if attempts == 1:
                    raise

        self._hook.attempt(complete, f"finish writing {self._address}")

    def _check(self) -> None:
        from oss2.utils import calc_obj_crc_from_parts

        found = self._hook.attempt(
            lambda: self._bucket.head_object(self._address.key), f"look at {self._address}"
        )
        if found.content_length != self.bytes_written:
            raise OSSError(
                f"{self._address} has {found.content_length} bytes, but {self.bytes_written} were written;"
                " does something else write it, too?"
            )
        if self._parts and found.server_crc is not None:
            crc = calc_obj_crc_from_parts(self._parts)
            if crc is not None and crc != found.server_crc:
                raise OSSError(
                    f"{self._address} is not what was written: its CRC64 is {found.server_crc}, not {crc}"
                )


def abort_upload(hook: OSSHook, address: OSSAddress, upload_id: str) -> bool:
    """Throw away what was sent of an object, within a few seconds.

    :param hook: one that may have been stopped
    :param upload_id: of the multipart upload; nothing happens where there is none any more
    :return: whether nothing is left of it
    """
    from oss2.exceptions import NoSuchUpload, OssError
    from requests import RequestException

    done: list[bool] = []

    def abort() -> None:
        try:
            bucket.abort_multipart_upload(address.key, upload_id)
        except NoSuchUpload:
            done.append(True)
        except (OssError, RequestException) as error:
            hook.log.warning("What was sent of %s is not thrown away yet: %s", address, type(error).__name__)
        else:
            done.append(True)

    try:
        bucket = hook.bucket(address.bucket)
    except SourceError as error:
        hook.log.warning("What was sent of %s is not thrown away yet: %s", address, error)
        return False
    bucket.timeout = ABORT_SECONDS
    worker = threading.Thread(target=abort, name="unload-abort", daemon=True)
    worker.start()
    worker.join(ABORT_SECONDS)
    return bool(done)
