"""The specs of a folder as DAGs in the module that asks for them."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from airflow.sdk import DAG, get_parsing_context

from dag_factory.builder import build_dag
from dag_factory.diagnostics import SpecError
from dag_factory.discovery.files import find_specs, is_draft
from dag_factory.discovery.flows import FoundFlow, read_flows, unexpected
from dag_factory.discovery.layout import Layout
from dag_factory.discovery.search import candidates, find_flow

log = logging.getLogger(__name__)


class FlowSpecWarning(UserWarning):
    """A spec was left out."""


def load_flows(folder: str | Path | None = None) -> dict[str, DAG]:
    """Make DAGs of all specs in a folder, in the module that calls this.

    For a plain DAGs folder, in one Python file::

        from dag_factory import load_flows; load_flows()  # flows for Airflow

    The word ``airflow`` must stand somewhere in that file: Airflow passes over files without it.

    A bad spec keeps no other from being loaded. It is logged as an error and warned of; Airflow has no import
    error for it, since one of the file would disable all of the file's DAGs. :class:`dag_factory.FlowBundle`
    has. A flow whose id another spec has, first by path, is a bad one. A task builds the DAG it belongs to
    and no other.

    :param folder: where the specs are, also in folders below; default: the folder of the calling file
    :return: the DAGs by their ids
    """
    caller = sys._getframe(1)
    root = Path(folder) if folder is not None else Path(caller.f_code.co_filename).absolute().parent
    wanted = get_parsing_context().dag_id
    specs = find_specs(root) if wanted is None else candidates(root, wanted)
    flows = (flow for flow in read_flows(root, specs, _warn) if wanted in (None, flow.dag_id))
    dags = _build(flows, _warn, lambda flow, error: _warn(flow.spec, error))
    caller.f_globals.update(as_globals(dags))
    return dags


def load_laid_out(loader: str) -> dict[str, DAG]:
    """Make the DAGs of one loader of a layout; for a task the one that it belongs to and no other.

    A spec that has become bad since it was laid out is passed over: the next refresh gives it a stub. So it
    does to a flow that cannot be built although no check knows why.

    :param loader: path of the loader's file
    :return: the loader's global names for its DAGs
    :raises SpecError: the spec of the task's DAG is bad
    :raises FlowNotFoundError: there is no spec of the task's DAG
    """
    layout = Layout.of_loader(loader)
    if (wanted := get_parsing_context().dag_id) is not None:
        flow = find_flow(layout, wanted)
        return as_globals({wanted: build_dag(flow.validated, draft=is_draft(flow.spec), for_task=True)})
    from dag_factory.discovery.failures import add_failure

    specs = layout.specs_of(Path(loader).name)
    flows = read_flows(layout.source(), list(specs.values()), _log)
    laid_out = (flow for flow in flows if flow.dag_id in specs)
    return as_globals(_build(laid_out, _log, lambda flow, error: add_failure(layout.failures, flow, error)))


def as_globals(dags: Mapping[str, DAG]) -> dict[str, DAG]:
    """Return DAGs under names that no statement of the module can mean."""
    return {f"flow {dag_id}": dag for dag_id, dag in dags.items()}


def _build(
    flows: Iterable[FoundFlow],
    refuse: Callable[[str, SpecError], None],
    fail: Callable[[FoundFlow, SpecError], None],
) -> dict[str, DAG]:
    """Build flows; none keeps another from being built.

    :param refuse: called with each spec that this version can build no flow of
    :param fail: called with each flow whose build failed unforeseen
    """
    built = ((flow.dag_id, _built(flow, refuse, fail)) for flow in flows)
    return {dag_id: dag for dag_id, dag in built if dag is not None}


def _built(
    flow: FoundFlow,
    refuse: Callable[[str, SpecError], None],
    fail: Callable[[FoundFlow, SpecError], None],
) -> DAG | None:
    try:
        return build_dag(flow.validated, draft=is_draft(flow.spec))
    except SpecError as error:
        refuse(flow.spec, error)
    except Exception as error:
        fail(flow, unexpected(flow.spec, error))
    return None


def _log(spec: str, error: SpecError) -> None:
    log.error("%s", error)


def _warn(spec: str, error: SpecError) -> None:
    _log(spec, error)
    warnings.warn(f"a flow spec was left out: {error}", FlowSpecWarning, stacklevel=2)
