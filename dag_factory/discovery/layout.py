"""The folder of Python files that Airflow parses instead of the specs.

``dags/flows_0.py`` to ``dags/flows_f.py`` are loaders of many flows each; which one builds a flow follows
from its id alone, so that a flow never moves and has the same loader on each machine. Their text never
changes: which specs they build is in ``index/``. ``dags/REPORTS/NAME.flow.yaml.py`` is the stub of a bad spec
``REPORTS/NAME.flow.yaml``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from dag_factory.discovery.files import write_if_changed

FORMAT = 1
"""Number of this arrangement of files; a later one lives in another folder."""

LOADERS = 16

_LOADER = b"""\
# Airflow DAGs made of flow specs. The text of a flow's spec is in its DAG docs.
from dag_factory.discovery.loader import load_laid_out

globals().update(load_laid_out(__file__))
"""

_LEFT_BEHIND_SECONDS = 60


def loader_of(dag_id: str) -> str:
    """Return the file name of the loader that builds a DAG."""
    return f"flows_{zlib.crc32(dag_id.encode()) % LOADERS:x}.py"


class Layout:
    """One layout on disk.

    :param folder: where it is
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dags = folder / "dags"
        self.state = folder / "state.json"
        self.failures = folder / "failures"
        self._index = folder / "index"
        self._hints = folder / "hints"

    @classmethod
    def of_loader(cls, loader: str) -> Layout:
        """Return the layout that a loader belongs to."""
        return cls(Path(loader).parent.parent)

    @staticmethod
    def folder_name(specs: Path) -> str:
        """Return the name for the layout of a folder of specs: another folder has another layout."""
        return f"flows-{FORMAT}-{hashlib.sha256(os.fsencode(specs)).hexdigest()[:12]}"

    def source(self) -> Path:
        """Return the folder of the specs.

        :raises FileNotFoundError: nothing was laid out here
        """
        return Path(os.fsdecode((self.folder / "source").read_bytes()))

    def prepare(self, source: Path, *, dag_id: str | None = None, version: str | None = None) -> bool:
        """Make sure that the layout is there, if only with the loader of one DAG.

        :param source: the folder of the specs
        :param dag_id: the DAG that is about to be loaded
        :param version: the version of the bundle that the specs belong to
        :return: whether the layout is new
        """
        marker = self.folder / "source"
        if is_new := not (marker.is_file() and self.dags.is_dir()):
            self.dags.mkdir(parents=True, exist_ok=True)
            if version is not None:
                write_if_changed(self.folder / "version", version.encode())
            write_if_changed(marker, os.fsencode(source))
        if dag_id is not None and not (loader := self.dags / loader_of(dag_id)).is_file():
            write_if_changed(loader, _LOADER)
        return is_new

    @classmethod
    def all_below(cls, folder: Path) -> list[Layout]:
        """Return all layouts that are in a folder."""
        return [cls(found) for found in folder.glob(f"flows-{FORMAT}-*")]

    def version(self) -> str | None:
        """Return the version of the bundle that the specs belong to, if it has versions."""
        with contextlib.suppress(OSError):
            return (self.folder / "version").read_text()
        return None

    def age(self) -> float:
        """Return the seconds since the layout was made; 0 while it is being made."""
        try:
            return time.time() - (self.folder / "source").stat().st_mtime
        except OSError:
            return 0.0

    def specs_of(self, loader: str) -> dict[str, str]:
        """Return what a loader builds.

        :param loader: its file name
        :return: DAG id -> path of the spec below :meth:`source`
        """
        return _read_mapping(self._index / f"{loader}.json")

    def hint(self, dag_id: str) -> str | None:
        """Return where a DAG's spec was found by a search, if the layout did not know it."""
        with contextlib.suppress(OSError):
            return os.fsdecode((self._hints / f"id-{dag_id}").read_bytes())
        return None

    def add_hint(self, dag_id: str, spec: str) -> None:
        """Remember where a DAG's spec was found."""
        with contextlib.suppress(OSError):  # another user's task; the next start searches again
            write_if_changed(self._hints / f"id-{dag_id}", os.fsencode(spec))

    def write(
        self,
        flows: Mapping[str, str],
        stubs: Mapping[str, bytes],
        changed: Iterable[str],
        once_more: Iterable[Path] = (),
    ) -> set[Path]:
        """Bring the files up to date. Files that are right are not written.

        :param flows: DAG id -> path of its spec below the folder of specs
        :param stubs: path of a bad spec -> source of its stub
        :param changed: DAG ids whose specs have changed: their loaders are to be parsed soon
        :param once_more: files to be parsed soon as well
        :return: files that changed and that Airflow may have parsed before
        """
        specs: dict[str, dict[str, str]] = {}
        for dag_id in sorted(flows):
            specs.setdefault(loader_of(dag_id), {})[dag_id] = flows[dag_id]
        touched = {self.dags / loader_of(dag_id) for dag_id in changed}
        self._drop_hints()
        wanted = {self.dags / _stub_name(spec): text for spec, text in stubs.items()}
        for loader, index in specs.items():
            if write_if_changed(self._index / f"{loader}.json", json.dumps(index).encode()):
                touched.add(self.dags / loader)
            wanted[self.dags / loader] = _LOADER
        self._drop_others(wanted)
        known_and_changed: set[Path] = set()
        again = set(once_more)
        for path, content in wanted.items():
            was_there = path.is_file()
            written = write_if_changed(path, content)
            if was_there and (written or path in touched):
                known_and_changed.add(path)
            if not written and (path in touched or path in again):
                os.utime(path)
        for index_file in self._index.glob("*.json"):
            if index_file.stem not in specs:
                index_file.unlink(missing_ok=True)
        return known_and_changed

    def _drop_others(self, wanted: Iterable[Path]) -> None:
        kept = set(wanted)
        for folder, _, names in os.walk(self.dags, topdown=False):
            if os.path.basename(folder) == "__pycache__":
                continue
            for name in names:
                path = Path(folder, name)
                # a temporary file may be another process's, which is about to rename it
                if path not in kept and not (name.startswith(".") and _is_young(path)):
                    path.unlink(missing_ok=True)
            if folder != str(self.dags) and set(os.listdir(folder)) <= {"__pycache__"}:
                shutil.rmtree(folder, ignore_errors=True)

    def _drop_hints(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            for hint in list(self._hints.iterdir()):
                hint.unlink(missing_ok=True)


def _stub_name(spec: str) -> str:
    """Return the path of a spec's stub: its own path and ``.py``, in characters that every database holds."""
    shown = os.fsencode(spec).decode("utf-8", "replace")
    *folders, name = f"{shown}.py".split("/")
    if shown != spec or len(name.encode()) > 250:
        name = f"{name[:60]}-{hashlib.sha256(os.fsencode(spec)).hexdigest()[:12]}.flow.yaml.py"
    # a folder must not take the place of a loader
    return "/".join([*(f"{folder}_" if folder.endswith(".py") else folder for folder in folders), name])


def _read_mapping(path: Path) -> dict[str, str]:
    try:
        stored = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return dict(stored)


def _is_young(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime < _LEFT_BEHIND_SECONDS
    except OSError:
        return True
