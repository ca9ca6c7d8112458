"""What Airflow is told about this provider."""

from __future__ import annotations

import importlib
import json
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.providers_manager import ProvidersManager

from dms_provider.get_provider_info import get_provider_info

PACKAGE = "airflow-provider-dms"


def test_valid_against_airflows_schema() -> None:
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_airflow_knows_the_provider() -> None:
    assert PACKAGE in ProvidersManager().providers


def test_connection_types_are_as_airflow_describes_those_of_providers() -> None:
    schema = json.loads(files("airflow").joinpath("provider.yaml.schema.json").read_text())
    jsonschema.validate(get_provider_info()["connection-types"], schema["properties"]["connection-types"])


def test_every_connection_type_is_in_the_list_of_the_ui_with_its_fields() -> None:
    shown = {found.connection_type: found for found in HookMetaService.hook_meta_data()}
    for entry in get_provider_info()["connection-types"]:
        found = shown[entry["connection-type"]]
        assert (found.hook_name, found.hook_class_name) == (entry["hook-name"], entry["hook-class-name"])
        fields = found.extra_fields
        assert fields is not None
        assert set(fields) == set(entry["conn-fields"])
        for name, field in entry["conn-fields"].items():
            assert fields[name]["schema"] == {**field["schema"], "title": field["label"]}
            assert fields[name]["description"] == field["description"]


@pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")
def test_airflow_finds_nothing_wrong_with_the_hooks(caplog: pytest.LogCaptureFixture) -> None:
    hooks = ProvidersManager().hooks
    for entry in get_provider_info()["connection-types"]:
        found = hooks[entry["connection-type"]]
        assert found is not None, entry["connection-type"]
        assert found.hook_name == entry["hook-name"]
        assert found.connection_testable
    assert [record.getMessage() for record in caplog.records if "dms_provider" in record.getMessage()] == []


def test_everything_named_is_there() -> None:
    info = get_provider_info()
    names = {integration["integration-name"] for integration in info["integrations"]}
    for kind in ("hooks", "operators", "sensors", "triggers", "bundles"):
        for entry in info[kind]:
            assert entry["integration-name"] in names
            for module in entry["python-modules"]:
                importlib.import_module(module)
    for path in [*info["cli"], *info["extra-links"]]:
        module, _, name = path.rpartition(".")
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
