"""What Airflow is told about this provider."""

from __future__ import annotations

import importlib
import json
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager

from dms_provider.get_provider_info import get_provider_info

PACKAGE = "airflow-provider-dms"


def test_valid_against_airflows_schema() -> None:
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_airflow_knows_the_provider() -> None:
    assert PACKAGE in ProvidersManager().providers


def test_everything_named_is_there() -> None:
    info = get_provider_info()
    names = {integration["integration-name"] for integration in info["integrations"]}
    for kind in ("operators", "sensors", "triggers", "bundles"):
        for entry in info[kind]:
            assert entry["integration-name"] in names
            for module in entry["python-modules"]:
                importlib.import_module(module)
    for function in info["cli"]:
        module, _, name = function.rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


def test_every_operator_module_is_named() -> None:
    folder = Path(importlib.import_module("dms_provider.operators").__path__[0])
    named = {module for entry in get_provider_info()["operators"] for module in entry["python-modules"]}
    for path in folder.glob("*.py"):
        module = importlib.import_module(f"dms_provider.operators.{path.stem}")
        if any(
            name.endswith("Operator") and kind.__module__ == module.__name__ and kind.__dict__.get("ui_color")
            for name, kind in vars(module).items()
            if isinstance(kind, type)
        ):
            assert module.__name__ in named


@pytest.mark.parametrize(("kind", "end"), [("sensors", "Sensor"), ("triggers", "Trigger")])
def test_every_module_of_what_waits_is_named(kind: str, end: str) -> None:
    folder = Path(importlib.import_module(f"dms_provider.{kind}").__path__[0])
    named = {module for entry in get_provider_info()[kind] for module in entry["python-modules"]}
    modules = [importlib.import_module(f"dms_provider.{kind}.{path.stem}") for path in folder.glob("*.py")]
    found = {
        module.__name__
        for module in modules
        for name, value in vars(module).items()
        if name.endswith(end) and getattr(value, "__module__", None) == module.__name__
    }
    assert found == named


def test_the_plugin_registers_the_timetable() -> None:
    (entry,) = (e for e in entry_points(group="airflow.plugins") if e.name == "dms")
    plugin = entry.load()
    assert [timetable.__name__ for timetable in plugin.timetables] == ["FlowTimetable"]


def test_no_plugin_is_loaded_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow import plugins_manager, settings

    monkeypatch.setattr(settings, "LAZY_LOAD_PROVIDERS", False)
    plugins_manager._get_plugins.cache_clear()
    try:
        plugins, errors = plugins_manager._get_plugins()
    finally:
        plugins_manager._get_plugins.cache_clear()
    assert [plugin.name for plugin in plugins].count("dms") == 1
    assert "dms" not in str(errors)
