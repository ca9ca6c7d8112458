"""The spec of a flow that Airflow has: its text stands in the documentation of the DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dag_factory.builder.docs import spec_in_docs
from dag_factory.source import SourceError, read_document
from dag_factory.spec import Flow, parse_flow
from dag_factory.validation import flow_id_of

if TYPE_CHECKING:
    from dms_provider.operations.flows import KnownFlow

_STUB_SUFFIX = ".py"


def spec_of(flow: KnownFlow) -> Flow | None:
    """Return what the spec of a flow says, ``None`` for one that this version cannot read."""
    text = spec_in_docs(flow.dag.doc_md or "")
    if text is None:
        return None
    try:
        parsed = parse_flow(read_document(text.encode(), flow.flow_id).values, calendar=False)
    except SourceError:
        return None
    return parsed if isinstance(parsed, Flow) else None


def is_spec_of(flow_id: str, file: str) -> bool:
    """Whether an import error's file name is that of a flow's spec, as far as names tell."""
    return file.endswith(_STUB_SUFFIX) and flow_id_of(file.removesuffix(_STUB_SUFFIX)) == flow_id
