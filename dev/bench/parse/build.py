"""CPU time of one process that builds every DAG of a corpus once: imports, then the build.

Run as ``python -m dev.bench.parse.build VARIANT FOLDER COUNT`` by the benchmark, a fresh process each time.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dev.bench.parse import corpus

Build = Callable[[], Mapping[str, Any]]


def _ours(folder: Path, count: int) -> Build:
    from dag_factory.discovery.loader import load_flows

    return lambda: load_flows(folder)


def _plain(folder: Path, count: int) -> Build:
    spec = importlib.util.spec_from_file_location("plain_flows", folder / "plain_flows.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    build: Build = module.build
    return build


def _dag_factory(folder: Path, count: int) -> Build:
    importlib.import_module("airflow.providers.common.sql.operators.sql")
    from dagfactory import load_yaml_dags

    def build() -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        load_yaml_dags(found, dags_folder=str(folder))
        return {name: dag for name, dag in found.items() if name.startswith("flow_")}

    return build


VARIANTS: dict[str, Callable[[Path, int], Build]] = {
    "flow specs": _ours,
    "plain Python": _plain,
    "dag-factory": _dag_factory,
}


def main(variant: str, folder: str, count: str) -> None:
    """Print one JSON object: seconds of CPU for the imports and for the build, and how many DAGs came out."""
    logging.disable(logging.CRITICAL)
    started = time.process_time()
    build = VARIANTS[variant](Path(folder), int(count))
    imported = time.process_time()
    dags = build()
    built = time.process_time()
    assert corpus.flow_id(0) in dags
    print(json.dumps({"import": imported - started, "build": built - imported, "dags": len(dags)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
