"""What a try that was killed has left in object storage, so that the next try can throw it away.

Airflow keeps what is said here from one try of a task to the next. Only what a task has begun itself is
ended: other programs may write to the same place.
"""

from __future__ import annotations

import logging
from typing import Any

from dms_provider.hooks.oss import OSSHook
from dms_provider.hooks.oss_address import OSSAddress, parse_address
from dms_provider.unload.object import abort_upload

log = logging.getLogger(__name__)


class LeftOver:
    """The multipart uploads of one task that have begun and not ended.

    :param store: Airflow's task state store; ``None`` where a task runs without one
    :param key: of what is stored there
    :param owner: of the flow
    """

    def __init__(self, store: Any, key: str, *, owner: str) -> None:
        self._store = store
        self._key = key
        self._owner = owner
        found = store.get(key) if store is not None else None
        self._uploads: list[list[str]] = found if isinstance(found, list) else []

    def add(self, address: OSSAddress, upload_id: str) -> None:
        """Remember an upload that has begun."""
        self._uploads.append([str(address), upload_id])
        self._save()

    def remove(self, address: OSSAddress, upload_id: str) -> None:
        """Forget an upload of which nothing is left."""
        self._uploads.remove([str(address), upload_id])
        self._save()

    def end_all(self) -> None:
        """Throw away what earlier tries have left; what cannot be now is tried again by the next try."""
        for address, upload_id in tuple(self._uploads):
            place = parse_address(address)
            if abort_upload(OSSHook(place.conn_id, owner=self._owner), place, upload_id):
                log.info("%s: what an earlier try had sent is thrown away", place)
                self.remove(place, upload_id)

    def _save(self) -> None:
        if self._store is None:
            return
        if self._uploads:
            self._store.set(self._key, self._uploads)
        else:
            self._store.delete(self._key)
