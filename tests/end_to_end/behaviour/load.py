"""Scenarios read from their files.

A file is a mapping: name of a scenario -> its keys, which are those of
:class:`~tests.end_to_end.behaviour.scenario.Scenario`; but an event is ``{ACTION: ARGUMENTS, when, after}``,
and what is expected stands under ``expect``: run name -> keys of
:class:`~tests.end_to_end.behaviour.scenario.RunExpected`. What has a name that begins with a point is there
for YAML's anchors only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from tests.end_to_end.airflow_instance import REPOSITORY
from tests.end_to_end.behaviour.actions import ACTIONS
from tests.end_to_end.behaviour.scenario import Behaviour, Event, Moment, Order, RunExpected, Scenario

FOLDER = REPOSITORY / "tests" / "flows" / "policies"


def load_scenarios(folder: Path = FOLDER) -> list[Scenario]:
    """Read all scenarios of a folder.

    :raises ValueError: one cannot be understood, or two have one name
    """
    found: dict[str, Scenario] = {}
    for path in sorted(folder.glob("*.yaml")):
        for name, given in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            if name.startswith("."):
                continue
            if name in found:
                raise ValueError(f"{path.name}: there are two scenarios {name}")
            try:
                found[name] = _scenario(name, given)
            except (TypeError, ValueError, KeyError) as error:
                raise ValueError(f"{path.name}: {name}: {error}") from error
    return list(found.values())


def _scenario(name: str, given: Mapping[str, Any]) -> Scenario:
    rest = dict(given)
    nodes = {node_id: _node(node or {}) for node_id, node in rest.pop("nodes").items()}
    optional: dict[str, Any] = {}
    if "events" in rest:
        optional["events"] = tuple(map(_event, rest.pop("events")))
    expected = {run: _expected(of_run) for run, of_run in rest.pop("expect", {}).items()}
    orders = tuple(map(Order.read, rest.pop("orders", ())))
    shows = rest.pop("shows", ())
    shows = (shows,) if isinstance(shows, str) else tuple(shows)
    _check(rest, Scenario)
    return replace(Scenario(name, nodes), runs=expected, orders=orders, shows=shows, **optional, **rest)


def _node(given: Mapping[str, Any]) -> Behaviour:
    _check(given, Behaviour)
    node = dict(given)
    for key in ("after", "uses"):
        node[key] = tuple(_words(node.get(key, ())))
    if "until" in node:
        node["until"] = Moment.read(node["until"])
    return Behaviour(**node)


def _event(given: Mapping[str, Any]) -> Event:
    rest = dict(given)
    when = rest.pop("when", None)
    after = float(rest.pop("after", 0))
    (action, arguments), *more = rest.items()
    if more or action not in ACTIONS:
        raise ValueError(f"an event has one action, and these are known: {', '.join(ACTIONS)}; not {given}")
    if not isinstance(arguments, Mapping):
        arguments = {"run": arguments} if arguments is not None else {}
    elif isinstance(arguments.get("nodes"), Mapping):
        nodes = {node_id: _node(node or {}) for node_id, node in arguments["nodes"].items()}
        arguments = {**arguments, "nodes": nodes}
    elif isinstance(arguments.get("runs"), Mapping):
        runs = {
            run: {node_id: _node(node or {}) for node_id, node in (nodes or {}).items()}
            for run, nodes in arguments["runs"].items()
        }
        arguments = {**arguments, "runs": runs}
    return Event(action, arguments, Moment.read(when) if when else None, after)


def _expected(given: Mapping[str, Any]) -> RunExpected:
    _check(given, RunExpected)
    return RunExpected(**given)


def _check(given: Iterable[str], of: type) -> None:
    unknown = set(given) - {field.name for field in fields(of)}
    if unknown:
        raise ValueError(f"{of.__name__} has no {', '.join(sorted(unknown))}")


def _words(given: Any) -> list[str]:
    return given.split() if isinstance(given, str) else list(given)
