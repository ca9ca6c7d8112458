"""The files that a spec names: SQL and scripts that stand in files of their own.

Source: flow-spec, *Node types* (``sql_file``, ``script_file``).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from pathlib import PurePosixPath
from typing import Literal, Protocol

from dag_factory.diagnostics import Finding, Path

MAX_FILE_BYTES = 4 * 1024 * 1024
FILE_KEYS: Mapping[str, Literal["sql", "script"]] = {"sql_file": "sql", "script_file": "script"}
"""Keys that name a file -> the kind of text in it."""


class NodeWithFiles(Protocol):
    """A node, as far as its files matter."""

    @property
    def type(self) -> str: ...


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A text that a spec has in a file of its own.

    :param file: the file, all links resolved
    :param name: the file as the spec names it, relative to the spec
    :param text: what it holds
    """

    file: FilePath
    name: str
    text: str


class _Unreadable(Exception):
    """Why a file cannot be read; the message is for the spec's author."""


def load_files(
    nodes: Mapping[str, NodeWithFiles], folder: FilePath | None, root: FilePath | None
) -> Iterator[tuple[Path, LoadedFile] | Finding]:
    """Read every local file that the nodes name.

    :param nodes: node id -> node
    :param folder: the folder of the spec; ``None`` for a spec that is in no file
    :param root: the folder that holds all specs, which no file may lie outside of; default: ``folder``
    :return: for each file, the path of its key with what was read, or what is wrong with it
    """
    for node_id, node in nodes.items():
        for key in FILE_KEYS:
            name = getattr(node, key, None)
            if name is None or name.startswith("oss://"):
                continue
            path: Path = ("nodes", node_id, key)
            try:
                yield path, _load(name, folder, root)
            except _Unreadable as reason:
                yield Finding(path, "unreadable-file", str(reason))


def _load(name: str, folder: FilePath | None, root: FilePath | None) -> LoadedFile:
    if "${" in name:
        raise _Unreadable(
            "a local file is read when the flow is built: its name takes no ${}; an oss:// address does"
        )
    if "://" in name:
        raise _Unreadable(f"{name!r} is no local file and not oss://CONNECTION/BUCKET/KEY")
    if PurePosixPath(name).is_absolute():
        raise _Unreadable(f"{name!r} is absolute: name the file relative to the spec")
    if folder is None:
        raise _Unreadable(f"{name!r} is relative to the spec, and this spec is in no file")
    try:
        file = (folder / name).resolve(strict=True)
        top = (root or folder).resolve()
        if not file.is_relative_to(top):
            raise _Unreadable(
                f"{name!r} lies outside the folder that holds the specs, {top.name!r}: move it below"
            )
        return LoadedFile(file, name, _read(file, name))
    except FileNotFoundError:
        raise _Unreadable(f"there is no file {name!r} beside the spec") from None
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _Unreadable(f"{name!r} cannot be read: {reason}") from None
    except ValueError as error:
        raise _Unreadable(f"{name!r} is no file name: {error}") from None


def _read(file: FilePath, name: str) -> str:
    # A named pipe would block the reader for ever; a device never ends.
    handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise _Unreadable(f"{name!r} is not a plain file")
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise _Unreadable(f"{name!r} is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Unreadable(
            f"{name!r} is not UTF-8: line {line} has the byte 0x{data[error.start]:02x}"
        ) from None
    if "\0" in text:
        raise _Unreadable(f"{name!r} holds a NUL character: it is no text")
    if not text.strip():
        raise _Unreadable(f"{name!r} is empty")
    return text
