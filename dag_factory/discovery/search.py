"""Where the spec of one DAG is. A task start asks, and reads as little as it can."""

from __future__ import annotations

import os
import re
from pathlib import Path

from dag_factory.diagnostics import SpecError
from dag_factory.discovery.files import find_specs
from dag_factory.discovery.flows import FoundFlow, read_flow
from dag_factory.discovery.layout import Layout, loader_of
from dag_factory.source import read_document
from dag_factory.validation import DRAFT_ID_SUFFIX, flow_id_of

_DISGUISED_ID = re.compile(rb"id[\"']?\s*:\s*\"[\w.\s-]*\\")
"""An id in double quotes with an escape: the only way to write one other than as its own characters."""


class FlowNotFoundError(LookupError):
    """No spec, or more than one, gives the DAG that a task needs."""


def find_flow(layout: Layout, dag_id: str) -> FoundFlow:
    """Find and read the spec of one DAG.

    The layout says where it was; specs can have been edited, renamed or removed since.

    :raises SpecError: the spec that has the id is bad
    :raises FlowNotFoundError: no spec has the id, or several that no layout has decided between
    """
    folder = layout.source()
    known = layout.specs_of(loader_of(dag_id)).get(dag_id)
    for spec in (known, layout.hint(dag_id)):
        if spec is not None and os.path.isfile(folder / spec):
            flow = read_flow(folder, spec, for_task=True)
            if flow.dag_id == dag_id:
                return flow
    found = candidates(folder, dag_id)
    if not found:
        raise FlowNotFoundError(f"no flow spec below {folder} has the DAG id {dag_id!r}")
    if len(found) > 1:
        raise FlowNotFoundError(
            f"the DAG id {dag_id!r} is that of several flow specs below {folder}, and which of them had it "
            f"first is not known here: {', '.join(found)}. Give all but one another id."
        )
    flow = read_flow(folder, found[0], for_task=True)
    layout.add_hint(dag_id, flow.spec)
    return flow


def candidates(folder: Path, dag_id: str) -> list[str]:
    """Return the specs of a folder, sorted by path, that give a DAG; whether they are good is not asked."""
    flow_id = dag_id.removesuffix(DRAFT_ID_SUFFIX)
    return [spec for spec in find_specs(folder) if _has_id(f"{folder}/{spec}", spec, dag_id, flow_id)]


def _has_id(path: str, spec: str, dag_id: str, flow_id: str) -> bool:
    """Whether a spec is that of a DAG. Only one that may be is parsed."""
    try:
        with open(path, "rb", buffering=0) as file:
            data = file.readall()
    except OSError:
        return False
    if (
        flow_id.encode() not in data
        and flow_id not in spec
        and not (b"\\" in data and _DISGUISED_ID.search(data))
    ):
        return False
    try:
        values = read_document(data, spec).values
    except SpecError:
        return False
    given = values.get("id")
    return flow_id_of(spec, given if isinstance(given, str) else None) == dag_id
