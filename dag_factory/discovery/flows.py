"""One spec file of a folder, read as the flow of one DAG."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dag_factory.diagnostics import Problem, SpecError
from dag_factory.validation import Validated, validate_file

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FoundFlow:
    """A flow and the DAG it becomes.

    :param dag_id: id of the DAG; of a draft another one than of the published flow
    :param spec: path of the spec below the folder of specs
    """

    dag_id: str
    spec: str
    validated: Validated


def read_flow(folder: Path, spec: str, *, for_task: bool = False) -> FoundFlow:
    """Read and check one spec.

    :param folder: the folder that holds all specs
    :param spec: path below it
    :param for_task: a task is about to start, which needs no calendar
    :raises SpecError: with everything that is wrong; also where a fault of ours is
    """
    try:
        validated = validate_file(folder / spec, root=folder, shown_as=spec, calendar=not for_task)
    except SpecError:
        raise
    except Exception as error:
        raise unexpected(spec, error) from error
    return FoundFlow(validated.flow_id, spec, validated)


def unexpected(spec: str, error: Exception) -> SpecError:
    """Return a fault that no check foresaw as a problem of the spec that it came up with."""
    log.exception("%s: unforeseen error", spec, exc_info=error)
    message = " ".join(f"{type(error).__name__}: {error}".split())
    return SpecError(
        [Problem(spec, 1, 1, "internal-error", f"this is a fault of the DAG factory: {message}")]
    )


def read_flows(
    folder: Path, specs: list[str], refuse: Callable[[str, SpecError], None]
) -> Iterator[FoundFlow]:
    """Read many specs, each when it is asked for; none keeps another from being read.

    :param folder: the folder that holds all specs
    :param specs: paths below it, in the order in which they may claim an id
    :param refuse: called with each spec that is refused, and why
    """
    owners: dict[str, str] = {}
    for spec in specs:
        try:
            flow = read_flow(folder, spec)
        except SpecError as error:
            refuse(spec, error)
            continue
        if (owner := owners.setdefault(flow.dag_id, spec)) == spec:
            yield flow
        else:
            refuse(spec, taken(flow, owner))


def taken(flow: FoundFlow, owner: str) -> SpecError:
    """Return what is wrong with a flow whose DAG id is another's.

    :param owner: path of the spec that had the id first
    """
    line, column = 1, 1
    if flow.validated.flow.id is not None:
        from dag_factory.source import read_document

        line, column = read_document(flow.validated.text.encode(), flow.spec).position(("id",))
    message = f"{flow.dag_id!r} is already the id of {owner}: give this flow an id of its own"
    return SpecError([Problem(flow.spec, line, column, "defined-twice", message)])
