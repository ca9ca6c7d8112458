"""Where the reports of an audit go: a folder, or object storage; each run's under names of its own.

Source: flow-spec, *audit*, ``report``.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from dms_provider.hooks.oss_address import OSS_SCHEME, parse_address

CONTENT_TYPES: Mapping[str, str] = {
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
}
"""Ending of each file of a report, in the order of writing."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST = 80


class ReportNotWritten(RuntimeError):
    """A report could not be written. The message says where, why, and what to do."""


def report_name(flow: str, node: str, business_time: datetime, run_id: str, map_index: int = -1) -> str:
    """Return the name of a run's report, without an ending: the same for each try, another for each run.

    :param map_index: of a mapped task; -1 for others
    """
    mapped = "" if map_index < 0 else f"_{map_index}"
    return f"{_part(flow)}/{_part(node)}/{business_time:%Y-%m-%dT%H%M%S}_{_part(run_id)}{mapped}"


def check_place(place: str, *, owner: str) -> None:
    """Look whether a report could have that place, as far as Airflow's records tell.

    :param place: as for :func:`write_report`; empty for no report
    :param owner: of the flow
    :raises WrongAddress: it is no address in object storage
    :raises SourceError: its connection is not there, may not be used, or is none of object storage
    """
    if place.startswith(OSS_SCHEME):
        from dms_provider.hooks.oss import check_connection

        check_connection(parse_address(place).conn_id, owner=owner)


def write_report(place: str, name: str, files: Mapping[str, bytes], *, owner: str) -> str:
    """Write the files of a report; each is there as a whole or not at all.

    :param place: a folder, or ``oss://CONNECTION/BUCKET/KEY``; a relative folder is below Airflow's home
    :param name: of :func:`report_name`
    :param files: content by ending
    :param owner: of the flow
    :return: where the page is
    :raises ReportNotWritten: it could not be written
    """
    if place.startswith(OSS_SCHEME):
        return _write_objects(place, name, files, owner)
    home = Path(os.environ.get("AIRFLOW_HOME") or "~/airflow").expanduser()
    target = home / place / name
    problem: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for ending in CONTENT_TYPES:
            _replace(target.with_name(target.name + ending), files[ending])
    except OSError as error:
        problem = f"{error.strerror or error}: {error.filename or target}"
    if problem is not None:
        raise ReportNotWritten(
            f"the report could not be written to {target.parent}: {problem}; give the worker a folder that it"
            " may write to"
        )
    return f"{target}.html"


def link(location: str, report_url: str | None = None) -> str:
    """Return the address of a report for people: a URL.

    :param location: of :func:`write_report`
    :param report_url: address under which people can read reports
    """
    if report_url:
        return f"{report_url.rstrip('/')}/{quote('/'.join(location.split('/')[-3:]))}"
    if location.startswith(OSS_SCHEME):
        return location
    return f"file://{quote(location)}"


def _write_objects(place: str, name: str, files: Mapping[str, bytes], owner: str) -> str:
    from dms_provider.hooks.oss import OSSError, write_object
    from dms_provider.hooks.oss_address import WrongAddress
    from dms_provider.sessions.source import SourceError

    problem: str | None = None
    address = ""
    try:
        for ending, content_type in CONTENT_TYPES.items():
            address = str(parse_address(place).below(name + ending))
            write_object(address, files[ending], content_type=content_type, owner=owner)
    except (OSSError, WrongAddress, SourceError) as error:
        problem = str(error)
    if problem is not None:
        raise ReportNotWritten(f"the report could not be written: {problem}")
    return address


def _replace(path: Path, content: bytes) -> None:
    """Put a file in its place in one step: nobody ever reads half of it."""
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def _part(text: str) -> str:
    """Return a part of a file name; texts that differ give parts that differ."""
    safe = _UNSAFE.sub("-", text)
    if safe == text and len(text) <= _LONGEST and not text.startswith("."):
        return text
    return f"{safe.lstrip('.')[:_LONGEST]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
