"""Every configuration and every JSON value in the documents is accepted by what reads it."""

from __future__ import annotations

import configparser
import inspect
import json
import re
from datetime import timedelta
from pkgutil import resolve_name
from typing import Any, get_args

import pytest

from dms_provider.data_sources import DATA_SOURCES
from dms_provider.dialects import CONN_TYPES, dialect
from dms_provider.policies.rules import Concurrency, ErrorHandling, FlowPolicies
from dms_provider.sessions.source import SourceError, open_source
from dms_provider.sessions.table import server
from dms_provider.variables.run_conf import WRITTEN_BY_THE_SCHEDULER, RunConfError, read_run_conf
from dms_provider.variables.run_times import parse_time
from dms_provider.variables.values import Data
from tests.docs.markdown import DMS_PROVIDER, DOCUMENTS, ROOT, TOP, Example, examples, tables_with

ALL = [example for document in DOCUMENTS for example in examples(document)]
KNOWN: dict[str, set[tuple[str, ...]]] = {
    "yaml": {(), ("flow",), ("broken",)},
    "python": {("dag",), ("dag", "folder")},
    "console": {()},
    "json": {("bundles",), ("conf",), ("extra",), ("xcom",), ("settings",)},
    "ini": {()},
    "text": {()},
}
"""Every kind of example that some test runs; ``text`` is the grammar of conditions."""


def of(kind: str) -> list[Example]:
    return [example for example in ALL if example.language == "json" and example.words == (kind,)]


def bundle_lists() -> list[Any]:
    """Return every list of bundles, as JSON and as the lines of a configuration file."""
    texts = [(str(example), example.text) for example in of("bundles")]
    for example in ALL:
        if example.language == "ini":
            parser = configparser.RawConfigParser()
            parser.read_string(example.text)
            texts.append((str(example), parser["dag_processor"]["dag_bundle_config_list"]))
    return [pytest.param(json.loads(text), id=place) for place, text in texts]


def test_every_example_is_of_a_kind_that_a_test_runs() -> None:
    assert [str(e) for e in ALL if e.words not in KNOWN.get(e.language, set())] == []


@pytest.mark.parametrize("bundles", bundle_lists())
def test_airflow_can_make_the_bundles(bundles: list[dict[str, Any]]) -> None:
    for bundle in bundles:
        if "git" in json.dumps(bundle):
            pytest.importorskip("airflow.providers.git", reason="the Git provider is not installed")
        made = resolve_name(bundle["classpath"])(name=bundle["name"], **bundle["kwargs"])
        assert made.name == bundle["name"]


@pytest.mark.parametrize("example", of("conf"), ids=str)
def test_a_conf_says_what_it_means(example: Example) -> None:
    given = json.loads(example.text)
    conf = read_run_conf(given)
    assert conf.business_time is not None
    assert parse_time(conf.business_time, "America/New_York").isoformat() == given["dms"]["business_time"]
    assert {name: value.elements for name, value in conf.outputs.items()} == {
        name: (None if value is None else str(value),) for name, value in given["dms"]["outputs"].items()
    }


def keys_in_table(*headings: str) -> list[str]:
    (table,) = tables_with(DMS_PROVIDER, *headings)
    return [key.strip(" `") for row in table.rows for key in row[0].split(",")]


def test_the_keys_of_a_conf() -> None:
    given = keys_in_table("key", "type", "does")
    assert sorted(given) == ["business_time", "dry_run", "from_node", "node", "outputs", "time_range"]
    written = keys_in_table("key", "says")
    assert sorted(written) == sorted({*WRITTEN_BY_THE_SCHEDULER, "business_time"})
    for key in (*given, *written):
        with pytest.raises(RunConfError, match=f"{key}: expected"):
            read_run_conf({"dms": {key: 1.5}})


def test_the_arguments_of_policies() -> None:
    (table,) = tables_with(DMS_PROVIDER, "argument of `FlowPolicies`", "default", "values")
    defaults = FlowPolicies().to_json()
    assert {row[0]: row[1] for row in table.rows} == {
        name: "none" if name == "pools" else default for name, default in defaults.items()
    }
    for name, choices in (("error_handling", ErrorHandling), ("concurrency", Concurrency)):
        (row,) = (row for row in table.rows if row[0] == name)
        others = [value.strip(" `") for value in row[2].split(",")]
        assert [row[1], *others] == sorted([row[1], *others], key=get_args(choices).index)
        assert {row[1], *others} == set(get_args(choices))


@pytest.mark.parametrize("example", of("extra"), ids=str)
def test_the_extras_of_a_connection(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = json.loads(example.text)
    connection = {"conn_type": "sqlite", "host": ":memory:", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_GUARDED", json.dumps(connection))
    for owner in extra["allowed_owners"]:
        source = open_source("guarded", owner=owner, timeout=timedelta(hours=14))
        assert source.limit == extra["statement_timeout"]
    with pytest.raises(SourceError, match="mallory"):
        open_source("guarded", owner="mallory", timeout=None)


@pytest.mark.parametrize("example", of("xcom"), ids=str)
def test_an_xcom_holds_outputs(example: Example) -> None:
    stored = json.loads(example.text)
    assert {name: Data.from_xcom(value).to_xcom() for name, value in stored.items()} == stored


@pytest.mark.parametrize("example", of("settings"), ids=str)
def test_the_settings_of_an_editor_name_the_schema_that_a_command_wrote(example: Example) -> None:
    (path,) = json.loads(example.text)["yaml.schemas"]
    written = [text for e in ALL if e.language == "console" for text in e.text.splitlines()]
    assert f"$ python -m dag_factory schema > {path.removeprefix('./')}" in written


def test_the_table_of_data_sources() -> None:
    (table,) = tables_with(DMS_PROVIDER, "connection type", "dialect", "transaction", "extra")
    assert sorted(row[0] for row in table.rows) == sorted(CONN_TYPES)
    for conn_type, name, transaction, extra in table.rows:
        assert dialect(conn_type).name == name
        assert extra == DATA_SOURCES[conn_type].extra, conn_type
        assert transaction == ("yes" if server(conn_type).transactions else "no"), conn_type


def test_the_table_of_what_was_tested() -> None:
    (table,) = tables_with(TOP, "connection type", "source", "driver", "tested with", "test")
    assert [row[0] for row in table.rows] == list(DATA_SOURCES)
    for conn_type, _, driver, how, test in table.rows:
        assert driver, conn_type
        assert re.match(r"(real server|stand-in|double|calls checked)\b[^|]*[:,] |import only", how), how
        paths = re.findall(r"\]\((tests/[\w/]+\.py)\)", test)
        assert paths, conn_type
        for path in paths:
            assert "def test_" in (ROOT / path).read_text(encoding="utf-8"), path


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("SingleInstanceSQLOperator", "operators.single_instance_sql"),
        ("UnloadOperator", "operators.unload"),
        ("SQLAssignmentOperator", "operators.sql_assignment"),
        ("ConditionalBranchOperator", "operators.conditional_branch"),
        ("ECSRemoteCommandOperator", "operators.ecs_remote_command"),
        ("TableTimeCheckSensor", "sensors.table_time_check"),
        ("AuditOperator", "operators.audit"),
        ("DependencyCheckSensor", "sensors.dependency_check"),
    ],
)
def test_the_tables_of_an_operators_arguments(name: str, module: str) -> None:
    shown = {
        row[0]: row[2]
        for table in tables_with(DMS_PROVIDER, "argument", "type", "default", "meaning")
        if table.headings[-1] in ("Operators", name)
        for row in table.rows
    }
    if name == "DependencyCheckSensor":
        del shown["variables"], shown["inputs"]
    operator = resolve_name(f"dms_provider.{module}.{name}")
    arguments = {
        argument.name: argument.default
        for argument in inspect.signature(operator.__init__).parameters.values()
        if argument.kind is inspect.Parameter.KEYWORD_ONLY
    }
    assert set(shown) == set(arguments)
    for argument, default in arguments.items():
        if default is inspect.Parameter.empty:
            assert shown[argument] == "required"
        elif default is not None:
            assert shown[argument] == str(default)
