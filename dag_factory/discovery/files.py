"""Which files of a folder are flow specs, and whether one has changed since it was read."""

from __future__ import annotations

import os
import time
from pathlib import Path

from dag_factory.validation import DRAFT_SUFFIX, SPEC_SUFFIXES

Stamp = tuple[int, int, int, int]
"""Time of the last change of content and of attributes in nanoseconds, size in bytes, inode."""

UNSETTLED: Stamp = (0, 0, 0, 0)
"""Stamp of a file so young that one more change might leave no trace in its times."""

_IGNORE_FILE = ".airflowignore"
_CLOCK_TICK_NS = 100_000_000


def find_specs(folder: Path) -> list[str]:
    """Find the specs below a folder, by Airflow's own ``.airflowignore`` rules.

    What Git keeps in ``.git`` is none, although its files have the names of branches.

    :param folder: the DAGs folder, or a part of it
    :return: paths below ``folder``, sorted, parts joined by ``/``
    :raises RuntimeError: symbolic links form a loop
    """
    specs = _find_without_rules(os.fspath(folder))
    return sorted(_find_by_rules(folder) if specs is None else specs)


def _find_without_rules(folder: str, below: str = "") -> list[str] | None:
    """Find the specs of a folder much faster than Airflow walks it.

    :param below: the folder's own path below the one where the search began, with a ``/`` at its end
    :return: ``None`` if ignore rules or links between folders are there, which only Airflow's walk follows
    """
    specs: list[str] = []
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return specs
    for entry in entries:
        name = entry.name
        if name == _IGNORE_FILE or (entry.is_symlink() and not os.path.isfile(entry.path)):
            return None
        if entry.is_dir():
            if name == ".git":
                continue
            found = _find_without_rules(entry.path, f"{below}{name}/")
            if found is None:
                return None
            specs += found
        elif name.endswith(SPEC_SUFFIXES) and entry.is_file():
            specs.append(below + name)
    return specs


def _find_by_rules(folder: Path) -> list[str]:
    from airflow._shared.module_loading.file_discovery import find_path_from_directory
    from airflow.configuration import conf

    syntax = conf.get_mandatory_value("core", "dag_ignore_file_syntax", fallback="glob")
    start = len(os.path.join(folder, ""))
    return [
        path[start:]
        for path in find_path_from_directory(str(folder), _IGNORE_FILE, syntax)
        if path.endswith(SPEC_SUFFIXES) and "/.git/" not in path[start - 1 :] and os.path.isfile(path)
    ]


def is_draft(spec: str) -> bool:
    """Whether the file is the editing version of a flow (``NAME.draft.flow.yaml``)."""
    return spec.endswith(tuple(DRAFT_SUFFIX + suffix for suffix in SPEC_SUFFIXES))


def stamp(path: str | os.PathLike[str]) -> Stamp | None:
    """Return what changes whenever the file changes.

    :return: ``None`` if there is no such file
    """
    try:
        found = os.stat(path)
    except OSError:
        return None
    if abs(time.time_ns() - found.st_mtime_ns) < _CLOCK_TICK_NS:
        return UNSETTLED
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def is_unchanged(path: str | os.PathLike[str], before: Stamp | None) -> bool:
    """Whether the file is surely what it was when ``before`` was its stamp."""
    return before != UNSETTLED and stamp(path) == before


def write_if_changed(path: Path, content: bytes) -> bool:
    """Write a file in one step; leave it alone if it has this content.

    :return: whether the file was written
    """
    try:
        if path.read_bytes() == content:
            return False
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name[:200]}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return True
