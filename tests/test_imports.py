"""Who may import what: the direction between the packages, and which parts never need Airflow."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dag_factory
import dms_provider

PACKAGES = [Path(str(package.__file__)).parent for package in (dag_factory, dms_provider)]
MODULES = {
    ".".join(path.relative_to(folder.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for folder in PACKAGES
    for path in sorted(folder.rglob("*.py"))
}

NEED_AIRFLOW = (
    "dag_factory.builder",
    "dag_factory.cli.airflow",
    *(
        f"dag_factory.cli.operations.{part}"
        for part in ("action", "flows", "freezing", "one_run", "run", "spec")
    ),
    "dag_factory.discovery",
    "dms_provider.hooks",
    "dms_provider.operations",
    "dms_provider.operators",
    "dms_provider.plugins",
    "dms_provider.policies.guard",
    "dms_provider.policies.listener",
    "dms_provider.policies.noted_runs",
    "dms_provider.policies.noting",
    "dms_provider.policies.run_changes",
    "dms_provider.policies.run_end",
    "dms_provider.policies.run_start",
    "dms_provider.policies.run_tables",
    "dms_provider.policies.savepoint",
    "dms_provider.sensors.dependency_check",
    "dms_provider.sensors.table_time_check",
    "dms_provider.sensors.waiting",
    "dms_provider.timetables",
    "dms_provider.triggers",
    "dms_provider.unload.left_over",
    "dms_provider.unload.object",
)
RUN_ON_WORKERS = tuple(
    f"dms_provider.{part}"
    for part in (
        "cloud_assistant",
        "audit",
        "conditions",
        "dependencies",
        "dialects",
        "hooks",
        "operators",
        "policies.coupling",
        "policies.dag",
        "policies.guard",
        "policies.rules",
        "policies.selection",
        "policies.watch",
        "schedules",
        "schema_change",
        "scripts",
        "sensors",
        "sessions",
        "triggers",
        "unload",
        "variables",
    )
)
FOR_WORKERS = ("airflow.sdk", "airflow.providers", "airflow.triggers.base", "airflow.listeners")

PRIVATE = {
    # Airflow's own search for DAG files is under no public name that is not deprecated.
    ("dag_factory.discovery.files", "airflow._shared.module_loading.file_discovery"),
}


def below(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def imports(module: str) -> Iterator[str]:
    """Yield every module that another names in an import, also in functions and for type checkers."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield str(node.module)


def test_the_provider_does_not_know_the_factory() -> None:
    provider = [module for module in MODULES if below(module, ("dms_provider",))]
    assert "dms_provider.operators.base" in provider
    assert not [
        module for module in provider if any(below(name, ("dag_factory",)) for name in imports(module))
    ]


def test_what_runs_on_workers_imports_the_task_sdk_only() -> None:
    used = {
        (module, name)
        for module in MODULES
        if below(module, RUN_ON_WORKERS)
        for name in imports(module)
        if below(name, ("airflow", "sqlalchemy"))
    }
    assert ("dms_provider.operators.base", "airflow.sdk") in used
    assert not {(module, name) for module, name in used if not below(name, FOR_WORKERS)}


def test_private_parts_of_airflow_in_use_are_known() -> None:
    assert {
        (module, name)
        for module in MODULES
        for name in imports(module)
        if below(name, ("airflow",)) and any(part.startswith("_") for part in name.split("."))
    } == PRIVATE


@pytest.mark.parametrize("package", ["dag_factory", "dms_provider"])
def test_the_rest_starts_without_airflow(package: str) -> None:
    free = [
        module
        for module in MODULES
        if below(module, (package,)) and not below(module, NEED_AIRFLOW) and not module.endswith("__main__")
    ]
    assert len(free) > 20
    program = (
        "import importlib, sys\n"
        "for module in sys.argv[1:]:\n"
        "    importlib.import_module(module)\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'airflow', 'pendulum', 'sqlalchemy'}))"
    )
    done = subprocess.run([sys.executable, "-c", program, *free], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
