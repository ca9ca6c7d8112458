"""Which specs the paths of a command line name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from dag_factory.cli.commands import UsageError
from dag_factory.cli.output import note
from dag_factory.validation import SPEC_SUFFIXES, SpecFile

IGNORE_FILE = ".airflowignore"


def named_specs(paths: Iterable[str], root: str | None) -> list[SpecFile]:
    """Return every spec that the paths name, each once.

    :param paths: files, and folders that stand for all specs below them
    :param root: the folder that holds all specs; default: the folder given, or the folder of the file given
    :raises UsageError: one of them is not there
    """
    top = None if root is None else _folder(root)
    specs: dict[Path, SpecFile] = {}
    for given in paths:
        path = Path(given)
        if path.is_dir():
            found = _below(path, top) if top is not None else find_specs(path)
            if not found:
                note(f"no flow spec (*{SPEC_SUFFIXES[0]}) lies below {given}")
            for name in found:
                spec = path / name
                specs.setdefault(spec.resolve(), SpecFile(spec, top or path, str(spec)))
        elif path.exists():
            specs.setdefault(path.resolve(), SpecFile(path, top or path.parent, given))
        else:
            raise UsageError(f"there is no file or folder {given!r}")
    return list(specs.values())


def hold_all(paths: Iterable[str], root: str | None) -> bool:
    """Return whether the folder that holds all specs is among some paths that were found."""
    folders = [Path(path).resolve() for path in paths if Path(path).is_dir()]
    return bool(folders) if root is None else Path(root).resolve() in folders


def find_specs(folder: Path) -> list[str]:
    """Find the specs below a folder by the rules of Airflow's own search for DAG files.

    Only Airflow knows what its ignore files mean. Its import takes seconds: it is saved where there is none.

    :return: paths below ``folder``, sorted
    :raises UsageError: symbolic links form a loop
    """
    found: list[str] = []
    seen = {folder.resolve()}
    for base, folders, names in os.walk(folder, followlinks=True):
        if IGNORE_FILE in names:
            from dag_factory.discovery import files

            try:
                return files.find_specs(folder)
            except RuntimeError as error:
                raise UsageError(str(error)) from None
        if ".git" in folders:
            folders.remove(".git")
        for name in folders:
            below = Path(base, name).resolve()
            if below in seen:
                raise UsageError(f"symbolic links form a loop: {below} comes more than once below {folder}")
            seen.add(below)
        found.extend(
            os.path.relpath(path, folder)
            for name in names
            if name.endswith(SPEC_SUFFIXES) and os.path.isfile(path := os.path.join(base, name))
        )
    return sorted(found)


def _below(folder: Path, top: Path) -> list[str]:
    """Find the specs below a folder; what an ignore file above it hides, up to the top, is none."""
    here, end = os.path.abspath(folder), os.path.abspath(top)
    above = [here]
    while above[-1] not in (end, os.path.dirname(above[-1])):
        above.append(os.path.dirname(above[-1]))
    if above[-1] != end or not any(os.path.isfile(os.path.join(base, IGNORE_FILE)) for base in above[1:]):
        return find_specs(folder)
    found = (os.path.join(end, spec) for spec in find_specs(top))
    return [os.path.relpath(spec, here) for spec in found if Path(spec).is_relative_to(here)]


def _folder(root: str) -> Path:
    folder = Path(root)
    if not folder.is_dir():
        raise UsageError(f"--root: there is no folder {root!r}")
    return folder
