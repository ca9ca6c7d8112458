"""A folder of specs with a flow bundle in front of it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import BundleDagBag

from dag_factory import FlowBundle

GOOD = """\
version: 1
id: {id}
owner: alice
nodes:
  load: {{type: single_instance_sql, database: warehouse, sql: SELECT {number}}}
"""


class Workplace:
    """A folder of specs, and what Airflow makes of it.

    :param specs: the folder
    """

    name = "flows"

    def __init__(self, specs: Path) -> None:
        self.specs = specs

    def write(self, spec: str, text: str) -> Path:
        """Write a file, as if it had been lying there for a while."""
        path = self.specs / spec
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.settle(path)
        return path

    def good(self, spec: str, dag_id: str, number: int = 1) -> Path:
        """Write a spec without errors."""
        return self.write(spec, GOOD.format(id=dag_id, number=number))

    @staticmethod
    def settle(path: Path) -> None:
        """Give a file a time of change that is past, and another than before."""
        Workplace.clock += 1
        os.utime(path, (Workplace.clock, Workplace.clock))

    clock = time.time() - 100_000

    def bundle(self) -> FlowBundle:
        """Return the bundle as a process that starts now has it."""
        behind = {
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(self.specs)},
        }
        return FlowBundle(name=self.name, bundle=behind)

    def refresh(self) -> FlowBundle:
        """Do what a dag-processor does."""
        bundle = self.bundle()
        bundle.initialize()
        bundle.refresh()
        return bundle

    def files(self) -> dict[str, tuple[int, bytes]]:
        """Return the Python files that Airflow parses: path -> time of change, content."""
        root = self.bundle().path
        return {
            str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes())
            for path in sorted(root.rglob("*.py"))
        }

    def bag(self, *files: str) -> BundleDagBag:
        """Parse files of the layout, all where none is named, as Airflow does."""
        root = self.bundle().path
        whole = BundleDagBag(dag_folder=root, bundle_path=root, bundle_name=self.name, collect_dags=False)
        for path in files or self.files():
            whole.process_file(str(root / path), only_if_updated=False)
        return whole

    def dags(self) -> set[str]:
        """Return the ids of all DAGs, after a refresh and a round of parsing."""
        self.refresh()
        return set(self.bag().dags)

    def errors(self) -> dict[str, str]:
        """Return all import errors, after a refresh and a round of parsing."""
        self.refresh()
        return dict(self.bag().import_errors)


@contextlib.contextmanager
def task_of(dag_id: str) -> Iterator[None]:
    """Be a process that starts a task of a DAG."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)
        patch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", "load")
        yield


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """An empty folder of specs, and storage of bundles of its own."""
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "storage"))
    specs = tmp_path / "specs"
    specs.mkdir()
    return Workplace(specs)
