"""The files that a spec names: SQL and scripts that stand in files of their own.

Source: flow-spec, *Node types* (``sql_file``, ``script_file``).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from pathlib import PurePosixPath
from typing import Literal

from dag_factory.diagnostics import Path

MAX_FILE_BYTES = 4 * 1024 * 1024
FILE_KEYS: Mapping[Path, Literal["sql", "script"]] = {("sql_file",): "sql", ("script_file",): "script"}
"""Keys of a node that name a file -> the kind of text in it."""


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


class UnreadableFile(Exception):
    """Why a file cannot be read; the message is for the spec's author."""


def load_file(name: str, spec: FilePath | None, root: FilePath | None) -> LoadedFile | None:
    """Read a file that a node names.

    :param name: relative to the spec
    :param spec: the spec's own file; ``None`` for a spec that is in no file
    :param root: the folder that holds all specs, which no file may lie outside of; default: that of the spec
    :return: ``None`` for a file in object storage, which is read when the node runs
    :raises UnreadableFile: it is not there, not below ``root``, too large, or no text in UTF-8
    """
    if name.startswith("oss://"):
        return None
    if "${" in name:
        raise UnreadableFile(
            "a local file is read when the flow is built: its name takes no ${}; an oss:// address does"
        )
    if "://" in name:
        raise UnreadableFile(f"{name!r} is no local file and not oss://CONNECTION/BUCKET/KEY")
    if PurePosixPath(name).is_absolute():
        raise UnreadableFile(f"{name!r} is absolute: name the file relative to the spec")
    if spec is None:
        raise UnreadableFile(f"{name!r} is relative to the spec, and this spec is in no file")
    try:
        folder = spec.parent
        file = (folder / name).resolve(strict=True)
        top = (root or folder).resolve()
        if not file.is_relative_to(top):
            raise UnreadableFile(
                f"{name!r} lies outside the folder that holds the specs, {top.name!r}: move it below"
            )
        return LoadedFile(file, name, _read(file, name))
    except FileNotFoundError:
        raise UnreadableFile(f"there is no file {name!r} beside the spec") from None
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UnreadableFile(f"{name!r} cannot be read: {reason}") from None
    except ValueError as error:
        raise UnreadableFile(f"{name!r} is no file name: {error}") from None


def _read(file: FilePath, name: str) -> str:
    # A named pipe would block the reader for ever; a device never ends.
    handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UnreadableFile(f"{name!r} is not a plain file")
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise UnreadableFile(f"{name!r} is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(
            f"{name!r} is not UTF-8: line {line} has the byte 0x{data[error.start]:02x}"
        ) from None
    if "\0" in text:
        raise UnreadableFile(f"{name!r} holds a NUL character: it is no text")
    if not text.strip():
        raise UnreadableFile(f"{name!r} is empty")
    return text
