"""A DAG bundle that makes DAGs of the flow specs in another bundle."""

from __future__ import annotations

import contextlib
import fcntl
import pkgutil
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion, get_bundle_tracking_file
from airflow.sdk import get_parsing_context
from airflow.sdk.configuration import conf

from dag_factory.discovery.files import write_if_changed
from dag_factory.discovery.layout import Layout

LOOK_INTERVAL = 10
"""Seconds between two looks at specs that are plain files here, where the configuration does not say."""

LOCAL_BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"

_UNUSED_SECONDS = 24 * 60 * 60


class FlowBundle(BaseDagBundle):
    """Put in front of any other bundle: its specs become DAGs.

    Airflow sees a folder of a few Python files that build them (:mod:`dag_factory.discovery.layout`); each
    bad spec is an import error of its own, and harms no other. In ``[dag_processor]``::

        dag_bundle_config_list = [{"name": "flows", "classpath": "dag_factory.FlowBundle", "kwargs": {}}]

    In front of Git, ``kwargs`` is for example ``{"bundle": {"classpath":
    "airflow.providers.git.bundles.git.GitDagBundle", "kwargs": {"git_conn_id": "flows", "tracking_ref":
    "main"}}}``; a run then keeps to the commit it was started with.

    :param bundle: where the specs are: ``classpath`` and ``kwargs`` of a bundle, as Airflow's own
        configuration has them; default: the DAGs folder. Python files there are the business of other
        bundles.
    :param refresh_interval: seconds between two looks for changed specs; default: that of the bundle behind
        where it has versions, else 10 (looking reads no file that has not changed)
    :param kwargs: what every bundle takes
    """

    def __init__(
        self,
        *,
        bundle: Mapping[str, Any] | None = None,
        refresh_interval: int | None = None,
        **kwargs: Any,
    ) -> None:
        behind = {"classpath": LOCAL_BUNDLE, "kwargs": {}, **(bundle or {})}
        if unknown := sorted(behind.keys() - {"classpath", "kwargs"}):
            raise ValueError(f"FlowBundle: bundle takes classpath and kwargs, not {', '.join(unknown)}")
        inner_class = pkgutil.resolve_name(behind["classpath"])
        inner_kwargs = {key: kwargs[key] for key in ("name", "version", "view_url_template") if key in kwargs}
        self._specs: BaseDagBundle = inner_class(**{**inner_kwargs, **behind["kwargs"]})
        self.supports_versioning = self._specs.supports_versioning
        if refresh_interval is None:
            refresh_interval = self._specs.refresh_interval if self.supports_versioning else LOOK_INTERVAL
        super().__init__(refresh_interval=refresh_interval, **kwargs)
        self._fetched_at: float | None = None
        # Airflow drops what it parses soon after an earlier change, or began to parse before the change
        self._parsed_again: dict[Path, float] = {}

    @property
    def path(self) -> Path:
        """Folder of the Python files that Airflow parses."""
        return self._layout.dags

    @property
    def _layout(self) -> Layout:
        return Layout(self.base_dir / Layout.folder_name(self._specs.path))

    def initialize(self) -> None:
        """Make the DAGs loadable: all of them, or for a task just its own.

        A task start reads and checks no other spec than its own (:mod:`dag_factory.discovery.search`).
        """
        if (dag_id := get_parsing_context().dag_id) is not None:
            # the bundle behind fetches its newest version if none is asked for
            fetches = self.supports_versioning and self.version is None
            with self._alone() if fetches else contextlib.nullcontext():
                self._specs.initialize()
            if self._layout.prepare(self._specs.path, dag_id=dag_id, version=self.version):
                self._drop_unused_layouts()
        else:
            with self._alone():
                self._specs.initialize()
                self._fetched_at = time.monotonic()
                self._lay_out()
        super().initialize()

    def refresh(self) -> None:
        """Look for changed specs, in the bundle behind at its own interval."""
        now = time.monotonic()
        with self._alone():
            if self.supports_versioning or (
                self._fetched_at is None or now - self._fetched_at >= self._specs.refresh_interval
            ):
                self._specs.refresh()
                self._fetched_at = now
            self._lay_out()

    def get_current_version(self) -> str | BundleVersion | None:
        """Return the version of the bundle behind."""
        return self._specs.get_current_version()

    def view_url(self, version: str | None = None) -> str | None:
        """Return the address at which people can look at the bundle behind."""
        return self._specs.view_url(version)

    def view_url_template(self) -> str | None:
        """Return the address of the bundle behind, all but the version filled in."""
        template = self._specs.view_url_template()
        if template is None:
            return None

        def fill_in(placeholder: re.Match[str]) -> str:
            value = None if placeholder[1] == "version" else getattr(self._specs, placeholder[1], None)
            return placeholder[0] if value is None else str(value)

        return re.sub(r"\{([^{}]+)\}", fill_in, template)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other process fetch or lay out these specs meanwhile.

        Airflow's own lock, :meth:`lock`, goes by the bundle's name, which the bundle behind has as well: it
        takes that one whenever it fetches.
        """
        self.base_dir.mkdir(parents=True, exist_ok=True)
        with (self.base_dir / "flows.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _lay_out(self) -> None:
        # only who lays out flows needs their whole language
        from dag_factory.discovery.failures import read_failures
        from dag_factory.discovery.survey import Survey, survey

        layout = self._layout
        layout.prepare(self._specs.path, version=self.version)
        before = Survey.from_json(layout.state.read_bytes()) if layout.state.is_file() else Survey()
        now = survey(self._specs.path, before, read_failures(layout.failures))
        due = {file for file, at in self._parsed_again.items() if time.monotonic() >= at}
        changed = layout.write(now.flows, now.stubs, now.changed, due)
        for file in due:
            del self._parsed_again[file]
        self._parsed_again |= dict.fromkeys(changed, time.monotonic() + _parses_count_after())
        write_if_changed(layout.state, now.to_json())
        self._drop_unused_layouts()

    def _drop_unused_layouts(self) -> None:
        """Remove layouts of versions that Airflow has removed, or never had to keep track of."""
        for layout in Layout.all_below(self.base_dir):
            version = layout.version()
            if version is None or layout.age() < _UNUSED_SECONDS:
                continue
            if not get_bundle_tracking_file(self.name, version).exists():
                shutil.rmtree(layout.folder, ignore_errors=True)


def _parses_count_after() -> int:
    """Return the seconds in which Airflow writes a DAG to its database no more than once."""
    return int(conf.getint("core", "min_serialized_dag_update_interval", fallback=30))
