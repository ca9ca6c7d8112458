"""Specs in a Git repository: the flow bundle in front of Airflow's own Git bundle."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from airflow.dag_processing.bundles.base import (
    BundleUsageTrackingManager,
    BundleVersion,
    BundleVersionLock,
    get_bundle_tracking_file,
    unpack_bundle_version,
)
from airflow.dag_processing.dagbag import BundleDagBag

from dag_factory import FlowBundle
from dag_factory.discovery.layout import Layout, loader_of
from tests.dag_factory.discovery.conftest import GOOD, task_of
from tests.dag_factory.discovery.repository import Repository, git_is_missing

if git_is_missing():
    pytest.skip("NO GIT: FLOWS IN GIT WERE NOT TRIED. Install git.", allow_module_level=True)

NAME = "flows"
DAY = 24 * 60 * 60


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """An empty repository, and storage of bundles of its own."""
    storage = tmp_path / "storage"
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(storage))
    # Airflow reads the setting once, when it is imported
    monkeypatch.setattr(
        "airflow.dag_processing.bundles.base.STALE_BUNDLE_TRACKING_FOLDER", storage / "_tracking"
    )
    return Repository(tmp_path / "repository")


def bundle_of(repository: Repository, version: str | None = None, **git: str) -> FlowBundle:
    """Return the bundle as a process that starts now has it."""
    behind = {
        "classpath": "airflow.providers.git.bundles.git.GitDagBundle",
        "kwargs": {"repo_url": str(repository.folder), "tracking_ref": "main", **git},
    }
    return FlowBundle(name=NAME, version=version, bundle=behind)


def parse(bundle: FlowBundle, *files: str) -> BundleDagBag:
    """Parse files of a bundle, all where none is named, as Airflow does."""
    bag = BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=NAME, collect_dags=False)
    for file in files or sorted(str(path.relative_to(bundle.path)) for path in bundle.path.rglob("*.py")):
        bag.process_file(str(bundle.path / file), only_if_updated=False)
    return bag


def statement(bag: BundleDagBag, dag_id: str) -> str:
    """Return the SQL of a flow's only node."""
    return str(bag.dags[dag_id].get_task("load").sql)


def spec(dag_id: str, number: int = 1) -> str:
    return GOOD.format(id=dag_id, number=number)


def start_task(repository: Repository, dag_id: str, version: str | None = None) -> str:
    """Do what the start of a task does; return the SQL that it would run."""
    with task_of(dag_id), BundleVersionLock(NAME, version):
        bundle = bundle_of(repository, version)
        bundle.initialize()
        return statement(parse(bundle, loader_of(dag_id)), dag_id)


def test_every_commit_is_a_version_with_its_dags(repository: Repository) -> None:
    first = repository.commit({"one.flow.yaml": spec("one"), "sub/two.flow.yaml": spec("two")})
    bundle = bundle_of(repository)
    assert bundle.supports_versioning
    bundle.initialize()
    assert bundle.get_current_version() == BundleVersion(first)
    assert set(parse(bundle).dags) == {"one", "two"}

    second = repository.commit(
        {"one.flow.yaml": spec("one", 2), "sub/two.flow.yaml": None, "bad.flow.yaml": "version: 1\n"}
    )
    assert bundle.get_current_version() == BundleVersion(first)
    bundle.refresh()
    assert bundle.get_current_version() == BundleVersion(second)
    bag = parse(bundle)
    assert set(bag.dags) == {"one"}
    assert statement(bag, "one") == "SELECT 2"
    assert list(bag.import_errors) == ["bad.flow.yaml.py"]


def test_airflow_takes_the_version_without_a_warning(repository: Repository) -> None:
    commit = repository.commit({"one.flow.yaml": spec("one")})
    bundle = bundle_of(repository)
    bundle.initialize()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert unpack_bundle_version(bundle.get_current_version(), bundle) == (commit, None)
        pinned = bundle_of(repository, commit)
        pinned.initialize()
        assert unpack_bundle_version(pinned.get_current_version(), pinned) == (commit, None)
        assert bundle.view_url(commit) is None


def test_a_task_runs_the_version_of_its_run(repository: Repository) -> None:
    old = repository.commit({"one.flow.yaml": spec("one", 1), "gone.flow.yaml": spec("gone", 7)})
    processor = bundle_of(repository)
    processor.initialize()
    repository.commit({"one.flow.yaml": None, "moved/one.flow.yaml": spec("one", 2), "gone.flow.yaml": None})
    processor.refresh()
    assert start_task(repository, "one", old) == "SELECT 1"
    assert start_task(repository, "gone", old) == "SELECT 7"
    assert start_task(repository, "one") == "SELECT 2"
    repository.commit({"moved/one.flow.yaml": "version: 1\n"})
    processor.refresh()
    assert start_task(repository, "one", old) == "SELECT 1"
    # on a machine that has never seen the repository
    shutil.rmtree(processor.base_dir)
    assert start_task(repository, "one", old) == "SELECT 1"


def test_a_task_reads_its_own_flow_only(repository: Repository) -> None:
    version = repository.commit({f"{name}.flow.yaml": spec(name) for name in ("one", "two", "three")})
    with task_of("one"):
        bundle = bundle_of(repository, version)
        bundle.initialize()
        assert [path.name for path in bundle.path.rglob("*.py")] == [loader_of("one")]
        assert set(parse(bundle).dags) == {"one"}
    assert not Layout.of_loader(str(bundle.path / loader_of("one"))).state.exists()


def test_sql_files_are_those_of_the_version(repository: Repository) -> None:
    text = spec("one").replace("sql: SELECT 1", "sql_file: load.sql")
    old = repository.commit({"flows/one.flow.yaml": text, "flows/load.sql": "SELECT 1"})
    new = repository.commit({"flows/load.sql": "SELECT 2"})
    processor = bundle_of(repository)
    processor.initialize()
    assert start_task(repository, "one", old) == "SELECT 1"
    assert start_task(repository, "one", new) == "SELECT 2"
    assert statement(parse(processor), "one") == "SELECT 2"


def test_callbacks_get_every_dag_of_a_version(repository: Repository) -> None:
    old = repository.commit({"one.flow.yaml": spec("one", 1), "two.flow.yaml": spec("two")})
    repository.commit({"one.flow.yaml": spec("one", 2)})
    bundle = bundle_of(repository, old)
    bundle.initialize()
    bag = parse(bundle)
    assert set(bag.dags) == {"one", "two"}
    assert statement(bag, "one") == "SELECT 1"


def test_specs_in_a_folder_of_the_repository(repository: Repository) -> None:
    repository.commit({"flows/one.flow.yaml": spec("one"), "elsewhere/two.flow.yaml": spec("two")})
    bundle = bundle_of(repository, subdir="flows")
    bundle.initialize()
    assert set(parse(bundle).dags) == {"one"}


def test_what_git_keeps_is_no_spec(repository: Repository) -> None:
    repository.commit({"one.flow.yaml": spec("one")})
    repository.git("branch", "nightly.flow.yaml")
    bundle = bundle_of(repository, tracking_ref="nightly.flow.yaml")
    bundle.initialize()
    bag = parse(bundle)
    assert set(bag.dags) == {"one"}
    assert bag.import_errors == {}


@pytest.mark.parametrize(
    ("url", "git", "template"),
    [
        ("https://github.com/ann/flows.git", {}, "https://github.com/ann/flows/tree/{version}"),
        (
            "git@gitlab.com:ann/flows.git",
            {"subdir": "a/b"},
            "https://gitlab.com/ann/flows/-/tree/{version}/a/b",
        ),
        (
            "https://git.example.com/flows",
            {"subdir": "a", "view_url_template": "https://git.example.com/{version}/{subdir}"},
            "https://git.example.com/{version}/a",
        ),
        ("https://git.example.com/flows", {}, None),
    ],
)
def test_address_of_the_repository(
    repository: Repository, url: str, git: dict[str, str], template: str | None
) -> None:
    bundle = bundle_of(repository, repo_url=url, **git)
    assert bundle.view_url_template() == template


def test_address_given_to_the_flow_bundle(repository: Repository) -> None:
    behind = {
        "classpath": "airflow.providers.git.bundles.git.GitDagBundle",
        "kwargs": {"repo_url": str(repository.folder), "tracking_ref": "main", "subdir": "flows"},
    }
    given = "https://git.example.com/{version}/{subdir}"
    bundle = FlowBundle(name=NAME, bundle=behind, view_url_template=given)
    assert bundle.view_url_template() == "https://git.example.com/{version}/flows"


def test_versions_that_airflow_removed_leave_nothing(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = [repository.commit({"one.flow.yaml": spec("one", number)}) for number in range(3)]
    processor = bundle_of(repository)
    processor.initialize()
    for version in versions:
        start_task(repository, "one", version)
    assert len(Layout.all_below(processor.base_dir)) == 4
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__STALE_BUNDLE_CLEANUP_MIN_VERSIONS", "1")
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__STALE_BUNDLE_CLEANUP_AGE_THRESHOLD", "0")
    BundleUsageTrackingManager()._remove_stale_bundle_versions_for_bundle(NAME)
    assert [get_bundle_tracking_file(NAME, version).exists() for version in versions] == [False, False, True]
    processor.refresh()
    # a version may be about to be used, and not be tracked yet
    assert len(Layout.all_below(processor.base_dir)) == 4
    for layout in Layout.all_below(processor.base_dir):
        marker = layout.folder / "source"
        os.utime(marker, (marker.stat().st_atime - 2 * DAY, marker.stat().st_mtime - 2 * DAY))
    processor.refresh()
    assert {layout.version() for layout in Layout.all_below(processor.base_dir)} == {None, versions[2]}
    assert start_task(repository, "one", versions[0]) == "SELECT 0"
    assert set(parse(processor).dags) == {"one"}


PROCESSOR = """\
import json, sys
from dag_factory import FlowBundle
behind = {"classpath": "airflow.providers.git.bundles.git.GitDagBundle",
          "kwargs": {"repo_url": sys.argv[1], "tracking_ref": "main"}}
bundle = FlowBundle(name="flows", bundle=behind)
bundle.initialize()
print("ready", flush=True)
for _ in sys.stdin:
    bundle.refresh()
    stubs = [str(path.relative_to(bundle.path)) for path in bundle.path.rglob("*.flow.yaml.py")]
    print(json.dumps([bundle.get_current_version().version, stubs]), flush=True)
"""
TASK = """\
import sys
from airflow.dag_processing.dagbag import BundleDagBag
from dag_factory import FlowBundle
from dag_factory.discovery.layout import loader_of
behind = {"classpath": "airflow.providers.git.bundles.git.GitDagBundle",
          "kwargs": {"repo_url": sys.argv[1], "tracking_ref": "main"}}
bundle = FlowBundle(name="flows", version=sys.argv[2] or None, bundle=behind)
bundle.initialize()
bag = BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name="flows", collect_dags=False)
bag.process_file(str(bundle.path / loader_of("flow_0")), only_if_updated=False)
assert bag.dags["flow_0"].get_task("load").sql == f"SELECT {sys.argv[3]}", bag.import_errors
"""


def test_processes_at_once(repository: Repository) -> None:
    """Two dag-processors and tasks of several versions on one machine, while commits come in."""
    names = [f"flow_{number}" for number in range(25)]

    def commit(number: int) -> str:
        return repository.commit({f"{name}.flow.yaml": spec(name, number) for name in names})

    old = commit(0)
    processors = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESSOR, str(repository.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    tasks: list[subprocess.Popen[bytes]] = []
    try:
        for processor in processors:
            assert processor.stdout is not None
            assert processor.stdout.readline() == "ready\n"
        for number in range(1, 4):
            new = commit(number)
            for arguments in (("", str(number)), (old, "0"), (new, str(number))):
                command = [sys.executable, "-c", TASK, str(repository.folder), *arguments]
                if number == 3:
                    tasks.append(subprocess.Popen(command))
            for processor in processors:
                assert processor.stdin is not None
                processor.stdin.write("refresh\n")
                processor.stdin.flush()
            for processor in processors:
                assert processor.stdout is not None
                assert processor.stdout.readline() == f'["{new}", []]\n'
        assert [task.wait(120) for task in tasks] == [0, 0, 0]
    finally:
        for process in (*processors, *tasks):
            process.kill()
            process.communicate()
    assert set(parse(bundle_of(repository)).dags) == set(names)
