"""The reference names everything that the language has, and nothing else."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from dag_factory.builder.dag import MAX_ACTIVE_RUNS
from dag_factory.checks.files import MAX_FILE_BYTES
from dag_factory.source.reader import MAX_DEPTH
from dag_factory.source.text import MAX_BYTES
from dag_factory.spec import json_schema
from dag_factory.spec.flow import MAX_NODES
from dag_factory.spec.nodes import NODE_TYPES
from dms_provider.cloud_assistant.command import MAX_ENCODED_BYTES, MAX_INSTANCES
from dms_provider.conditions.lexer import MAX_CHARACTERS, MAX_DIGITS
from dms_provider.conditions.parser import MAX_DEPTH as MAX_CONDITION_DEPTH
from dms_provider.dependencies.times import MOST_OF_ANY, MOST_TIMES
from dms_provider.dialects.substitution import MAX_DATA_BYTES
from dms_provider.operators.sql_assignment import DEFAULT_MAX_OUTPUT_BYTES
from dms_provider.variables.pattern import PatternError, TimePattern
from dms_provider.variables.scope import SYSTEM_VARIABLES
from tests.docs.markdown import DAG_FACTORY, ROOT, Table, tables_with

SCHEMA = json_schema()
REQUIRED = object()
NO_DEFAULT = object()
MIB = 1024 * 1024


def parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and everything that it refers to or offers as a choice."""
    if not isinstance(schema, dict):
        return
    yield schema
    if "$ref" in schema:
        yield from parts(SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]])
    for key in ("anyOf", "allOf", "oneOf"):
        for choice in schema.get(key, ()):
            yield from parts(choice)


def keys(schema: Mapping[str, Any], above: str = "", skipped: tuple[str, ...] = ()) -> dict[str, object]:
    """Return every key below a mapping as the reference writes it, with its default."""
    found: dict[str, object] = {}
    for part in parts(schema):
        for name, value in part.get("properties", {}).items():
            if "description" not in value and "$ref" not in value:
                continue
            default = value.get("default", NO_DEFAULT)
            found[above + name] = REQUIRED if name in part.get("required", ()) else default
            if above + name not in skipped:
                found |= keys(value, f"{above}{name}.")
        for values in (part.get("additionalProperties"), *part.get("patternProperties", {}).values()):
            if isinstance(values, dict):
                found |= keys(values, f"{above}NAME.")
        if isinstance(items := part.get("items"), dict):
            found |= keys(items, f"{above.removesuffix('.')}[].")
    return found


(NODE,) = SCHEMA["properties"]["nodes"]["patternProperties"].values()
MODELS: dict[str, Mapping[str, Any]] = {
    part["properties"]["type"]["const"]: part for part in parts(NODE) if "properties" in part
}
TOP = keys(SCHEMA, skipped=("nodes", "schedule", "notifications"))
NODES = {node_type: keys(model) for node_type, model in MODELS.items()}
COMMON = set.intersection(*(set(found) for found in NODES.values()))
SECTIONS: dict[str, dict[str, object]] = {
    "Top level": TOP,
    "Schedule": keys(SCHEMA["properties"]["schedule"]),
    "Notifications": keys(SCHEMA["properties"]["notifications"]),
    "Common keys": {key: default for key, default in NODES["audit"].items() if key in COMMON},
    **{
        node_type: {key: default for key, default in found.items() if key not in COMMON}
        for node_type, found in NODES.items()
    },
}


def section(name: str) -> Table:
    found = [
        table
        for table in tables_with(DAG_FACTORY, "key", "type", "default", "meaning")
        if table.headings[-1] == name
    ]
    assert len(found) == 1, f"{DAG_FACTORY} needs one table of keys below the heading {name!r}"
    return found[0]


def test_the_schema_is_read_whole() -> None:
    assert set(NODES) == set(NODE_TYPES)

    def names(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for name, inner in value.get("properties", {}).items():
                if "description" in inner:
                    yield name
            for inner in value.values():
                yield from names(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from names(inner)

    documented = {path.rsplit(".", 1)[-1] for found in SECTIONS.values() for path in found}
    assert set(names(SCHEMA)) == documented


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_is_in_the_reference(name: str) -> None:
    assert sorted(row[0] for row in section(name).rows) == sorted(SECTIONS[name])


@pytest.mark.parametrize("name", SECTIONS)
def test_the_defaults_are_those_of_the_schema(name: str) -> None:
    for row in section(name).rows:
        default = SECTIONS[name][row[0]]
        shown = row[2]
        if row[0] == "timeout" and name == "Common keys":
            continue
        if default is REQUIRED:
            assert shown == "required", row[0]
        elif default is NO_DEFAULT or isinstance(default, dict):
            assert shown != "required", row[0]
        else:
            wanted = {"": "empty"}.get(str(default), default)
            assert shown == (wanted if isinstance(wanted, str) else json.dumps(wanted)), row[0]


@pytest.mark.parametrize("name", SECTIONS)
def test_every_word_that_a_key_can_have_is_in_the_reference(name: str) -> None:
    rows = {row[0]: " ".join(row) for row in section(name).rows}
    for path, words in enumerated().get(name, {}).items():
        for word in words:
            assert word in rows[path], f"{name}, {path}: {word}"


def enumerated() -> dict[str, dict[str, list[str]]]:
    """Section -> key -> words that it can have; only of keys that are directly in the section's mapping."""
    found = {"Top level": words_of(SCHEMA)}
    for node_type, model in MODELS.items():
        words = words_of(model)
        found[node_type] = {key: words[key] for key in words if key not in COMMON}
    return found


def words_of(schema: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in schema["properties"].items():
        for part in parts(value):
            words = part.get("enum", [part["const"]] if "const" in part else [])
            found.setdefault(name, []).extend(word for word in words if word != 1)
    return {name: [str(word) for word in words] for name, words in found.items() if words}


def test_the_default_time_outs_of_the_node_types() -> None:
    (table,) = tables_with(DAG_FACTORY, "node type", "default of `timeout`")
    assert {row[0]: row[1] for row in table.rows} == {
        node_type: found["timeout"] for node_type, found in NODES.items()
    }


def test_every_code_is_in_the_reference() -> None:
    (table,) = tables_with(DAG_FACTORY, "code", "means", "do this")
    shown = [row[0] for row in table.rows]
    assert shown == sorted(codes_in_the_sources())


def codes_in_the_sources() -> set[str]:
    """Return every code that a problem is made with, in any module."""
    makers = {"Finding", "Mistake", "Problem", "_refuse", "_stop", "spec_error", "refusal", "Contradiction"}
    found: set[str] = set()
    for file in (ROOT / "dag_factory").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            candidates: list[ast.expr | None] = []
            if isinstance(node, ast.Call):
                name = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                if name in makers:
                    candidates += node.args
                candidates += [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            elif isinstance(node, ast.FunctionDef):
                arguments = node.args
                for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
                    if argument.arg == "code":
                        candidates.append(default)
            found |= {text for candidate in candidates if _is_code(text := _text(candidate))}
    return found


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_code(text: str) -> bool:
    return bool(text) and text.replace("-", "").isalpha() and text.islower()


def test_every_pattern_letter_is_in_the_reference() -> None:
    (table,) = tables_with(DAG_FACTORY, "letter", "means", "at most")
    shown = {row[0]: int(row[2]) for row in table.rows}
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        most = shown.get(letter, 0)
        if most:
            TimePattern.parse(letter * most)
        with pytest.raises(PatternError):
            TimePattern.parse(letter * (most + 1))


def test_every_system_variable_is_in_the_reference() -> None:
    (table,) = tables_with(DAG_FACTORY, "system variable", "value")
    assert sorted(row[0] for row in table.rows) == sorted(SYSTEM_VARIABLES)


def test_the_limits_are_those_of_the_code() -> None:
    (table,) = tables_with(DAG_FACTORY, "limit", "value")
    limits = {row[0]: row[1] for row in table.rows}
    assert limits["spec file"] == f"{MAX_BYTES // MIB} MiB"
    assert limits["`sql_file`, `script_file`"] == f"{MAX_FILE_BYTES // MIB} MiB"
    assert limits["nodes of a flow"] == f"{MAX_NODES:,}"
    assert limits["levels of nesting"] == str(MAX_DEPTH)
    assert limits["condition, characters"] == f"{MAX_CHARACTERS:,}"
    assert limits["parentheses and `!` inside each other"] == str(MAX_CONDITION_DEPTH)
    assert limits["digits of a number in SQL or a condition"] == str(MAX_DIGITS)
    assert limits["values of all outputs of one node together"] == f"{DEFAULT_MAX_OUTPUT_BYTES // MIB} MiB"
    assert limits["data in one statement"] == f"{MAX_DATA_BYTES // MIB} MiB"
    assert limits["active runs of one flow"] == f"{MAX_ACTIVE_RUNS:,}"
    assert limits["slots in the window of a `dependency_check` with `need: all`"] == f"{MOST_TIMES:,}"
    assert limits["business times that one with `need: any` lists"] == f"{MOST_OF_ANY:,}"
    assert limits["instances of an `ecs_remote_command`"] == str(MAX_INSTANCES)
    assert limits["its script with data"] == f"{MAX_ENCODED_BYTES // 4 * 3:,} bytes"
    pattern = int(limits["time pattern, characters"].replace(",", ""))
    TimePattern.parse("y" + "-" * (pattern - 1))
    with pytest.raises(PatternError):
        TimePattern.parse("y" + "-" * pattern)
    digits = int(limits["digits of an offset"])
    TimePattern.parse(f"y|+{'1' * digits}d")
    with pytest.raises(PatternError):
        TimePattern.parse(f"y|+{'1' * (digits + 1)}d")
