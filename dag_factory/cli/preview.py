"""``preview``: what each node of a flow would execute."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

from dag_factory.cli.commands import GOOD, PROBLEM, UsageError
from dag_factory.cli.node_preview import NodePreview
from dag_factory.cli.one_spec import read_spec, read_time
from dag_factory.cli.output import print_json, print_lines
from dag_factory.diagnostics import closest
from dag_factory.validation import Validated
from dms_provider.variables.run_times import RunTimes
from dms_provider.variables.values import Data


def run(arguments: argparse.Namespace) -> int:
    """Print what would be executed."""
    validated = read_spec(arguments)
    nodes = validated.flow.nodes
    if arguments.node is not None and arguments.node not in nodes:
        raise UsageError(
            f"--node: the flow has no node {arguments.node!r}{_meant(arguments.node, list(nodes))}"
        )
    shown = list(nodes) if arguments.node is None else [arguments.node]
    preview = NodePreview(
        validated,
        _times(arguments, validated.flow.timezone),
        _outputs(arguments.outputs, validated),
        _dialect_finder(arguments, any(hasattr(nodes[node_id], "database") for node_id in shown)),
    )
    document: dict[str, Any] = {
        "flow": validated.flow_id,
        "run_time": preview.times.run_time.isoformat(),
        "business_time": preview.times.business_time.isoformat(),
        "variables": preview.variables(),
        "nodes": {node_id: preview.node(node_id) for node_id in shown},
    }
    if arguments.output == "json":
        print_json(document)
    else:
        print_lines(_lines(document))
    return PROBLEM if any("error" in node for node in document["nodes"].values()) else GOOD


def _meant(word: str, known: list[str]) -> str:
    meant = closest(word, known)
    return f"; did you mean {meant}?" if meant else ""


def _times(arguments: argparse.Namespace, zone: str) -> RunTimes:
    if arguments.run_time and arguments.business_time:
        raise UsageError("give --run-time or --business-time, not both")
    if arguments.business_time:
        return RunTimes.from_business_time(read_time("--business-time", arguments.business_time, zone), zone)
    if arguments.run_time:
        return RunTimes.from_run_time(read_time("--run-time", arguments.run_time, zone), zone)
    return RunTimes.from_run_time(datetime.now(timezone.utc).replace(microsecond=0), zone)


def _outputs(given: list[str], validated: Validated) -> dict[str, Data]:
    known = {name for node in validated.flow.nodes.values() for name in getattr(node, "outputs", {})}
    known.add("run_id")
    outputs: dict[str, Data] = {}
    for setting in given:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting!r}: write NAME=VALUE")
        if name not in known:
            raise UsageError(f"--set: no node of the flow gives {name!r}{_meant(name, sorted(known))}")
        outputs[name] = Data((value,))
    return outputs


def _dialect_finder(arguments: argparse.Namespace, has_sql: bool) -> Callable[[str], str | None]:
    """Return what tells the type of a connection: Airflow, where it is there, then ``--dialect``."""
    if arguments.dialect is not None:
        from dms_provider.dialects import UnknownDialect, dialect

        try:
            dialect(arguments.dialect)
        except UnknownDialect as error:
            raise UsageError(f"--dialect: {error}") from None
    ask: Callable[[str], str | None] | None = getattr(arguments, "connection_type", None)
    if ask is None:
        if arguments.dialect is None and has_sql:
            raise UsageError(
                "give --dialect TYPE, for example mysql, postgres or sqlite:"
                " only 'airflow dms preview' knows the connections"
            )
        return lambda conn_id: arguments.dialect
    known = ask
    return lambda conn_id: known(conn_id) or arguments.dialect


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"flow {document['flow']}"
    yield f"run time {document['run_time']}, business time {document['business_time']}"
    for name, value in document["variables"].items():
        yield f"  {name} = {value}"
    for node_id, node in document["nodes"].items():
        yield ""
        yield f"== {node_id} ({node['type']})"
        for statement in node.get("statements", ()):
            yield statement
            yield ";"
        if "sql_file" in node:
            yield f"the statements are read from {node['sql_file']} when the node runs"
        if "unload" in node:
            yield f"the result becomes {node['unload']}"
        if "script" in node:
            yield node["script"].rstrip("\n")
        if "script_file" in node:
            yield f"the script is read from {node['script_file']} when the node runs"
        for key in ("condition", "result"):
            if key in node:
                yield f"{key}: {node[key] if key == 'condition' else json.dumps(node[key])}"
        yield from node.get("checks", ())
        if "error" in node:
            yield f"error: {node['error']}"
