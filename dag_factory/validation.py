"""The one way from a spec's bytes to a flow: read, understood, and checked as a whole."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from dag_factory.checks.files import LoadedFile
from dag_factory.checks.flow import FlowCheck
from dag_factory.diagnostics import Finding, Path, Problem, SpecError
from dag_factory.source import Document, SourceError, read_bytes, read_document
from dag_factory.source.text import line_and_column
from dag_factory.spec import parse_flow, parse_partly

if TYPE_CHECKING:
    from dag_factory.spec import Flow

SPEC_SUFFIXES = (".flow.yaml", ".flow.yml")
DRAFT_SUFFIX = ".draft"
DRAFT_ID_SUFFIX = "__draft"

_NAME_FOR_ID = re.compile(r"(?!.*__draft$)[A-Za-z0-9_.-]{1,200}")


@dataclass(frozen=True)
class Validated:
    """A flow that has no errors.

    :param flow: what the spec says
    :param flow_id: id of its DAG: the spec's ``id`` or its file name; a draft's ends in ``__draft``
    :param text: the spec, as its author wrote it
    :param warnings: what is wrong with it that keeps nothing from running
    :param file_texts: path of a ``sql_file`` or ``script_file`` key -> text of the file that it names
    :param files: every file that was read for it
    :param inputs: node id -> name of an output that the node uses -> the node upstream that gives it
    """

    flow: Flow
    flow_id: str
    text: str
    warnings: tuple[Problem, ...] = ()
    file_texts: Mapping[Path, str] = field(default_factory=dict)
    files: tuple[FilePath, ...] = ()
    inputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpecFile:
    """A spec file among others.

    :param root: the folder that holds all specs
    :param shown_as: the file as problems name it
    """

    path: FilePath
    root: FilePath
    shown_as: str


def validate_file(
    path: FilePath, *, root: FilePath | None = None, shown_as: str | None = None, calendar: bool = True
) -> Validated:
    """Read and check one spec file.

    :param root: the folder that holds all specs; default: the folder of the file
    :param shown_as: the file as problems name it; default: ``path``
    :param calendar: as in :func:`validate_bytes`
    :raises SpecError: with every problem that it has
    """
    file = shown_as if shown_as is not None else str(path)
    return validate_bytes(read_bytes(path, file), file=file, path=path, root=root, calendar=calendar)


def validate_bytes(
    data: bytes, *, file: str, path: FilePath | None, root: FilePath | None, calendar: bool = True
) -> Validated:
    """Check the bytes of a spec.

    :param file: the file as problems name it
    :param path: where the file lies; ``None`` for a spec that is in no file, and then can name none
    :param root: the folder that holds all specs; default: the folder of ``path``
    :param calendar: also check what only the calendar knows of the schedule; a task that starts needs none
    :raises SpecError: with every problem that it has
    """
    problems: list[Problem] = []
    try:
        document = read_document(data, file)
    except SourceError as error:
        problems.extend(_printable(problem) for problem in error.problems)
        if error.document is None:
            raise SpecError(problems) from None
        document = error.document
    parsed = parse_flow(document.values, calendar=calendar)
    if isinstance(parsed, list):
        partly = parse_partly(document.values)
        findings, flow = list(partly.findings), partly.flow
    else:
        findings, flow = [], parsed
    check = None
    files: Mapping[Path, LoadedFile] = {}
    if flow is not None:
        check = FlowCheck(flow, path, root)
        findings.extend(check.run())
        if calendar and flow.schedule is not None:
            from dag_factory.checks.schedules import check_schedule

            findings.extend(check_schedule(flow))
        if check.reference_count != document.text.count("${"):
            from dag_factory.checks.plain_values import check_plain_values

            findings.extend(check_plain_values(flow, document.values, findings))
        files = check.files
    flow_id = flow_id_of(path or file, flow.id if flow else None)
    if flow is not None and flow.id is None:
        findings.extend(_check_name(flow_id))
    if findings or problems:
        problems = _all_problems(problems, findings, document, file, files)
        if any(problem.severity == "error" for problem in problems):
            raise SpecError(problems)
    assert flow is not None
    assert check is not None
    read = tuple(dict.fromkeys(loaded.file for loaded in files.values()))
    return Validated(
        flow=flow,
        flow_id=flow_id,
        text=document.text,
        warnings=tuple(problems),
        file_texts={key: loaded.text for key, loaded in files.items()},
        files=(path, *read) if path else read,
        inputs=check.inputs,
    )


def validate_specs(specs: Iterable[SpecFile], *, whole: bool = False) -> list[Problem]:
    """Return every problem of many specs, also those that only all of them together show, by file and place.

    :param whole: these are all specs there are, so that a flow that is not among them is probably a mistake
    """
    problems: list[Problem] = []
    owners: dict[str, list[tuple[SpecFile, bool]]] = {}
    good: dict[str, tuple[SpecFile, Validated]] = {}
    for spec in specs:
        try:
            validated = validate_file(spec.path, root=spec.root, shown_as=spec.shown_as)
        except SpecError as error:
            problems.extend(error.problems)
            whole = False
            continue
        problems.extend(validated.warnings)
        good[validated.flow_id] = (spec, validated)
        owners.setdefault(validated.flow_id, []).append((spec, validated.flow.id is not None))
    for flow_id, claims in owners.items():
        if len(claims) > 1:
            problems.extend(_claimed_twice(flow_id, claims))
    problems.extend(_of_dependencies(good, whole=whole))
    return sorted(dict.fromkeys(problems), key=_order)


def _check_name(flow_id: str) -> Iterator[Finding]:
    """Yield a finding for an id that a file name gives and a spec's own ``id`` could not be."""
    name = flow_id.removesuffix(DRAFT_ID_SUFFIX)
    if not _NAME_FOR_ID.fullmatch(name):
        message = f"the file name {name!r} cannot be an id; give 'id', of ASCII letters, digits and _ - ."
        yield Finding((), "missing-key", message)


def _of_dependencies(good: Mapping[str, tuple[SpecFile, Validated]], *, whole: bool) -> Iterator[Problem]:
    if not any(
        node.type == "dependency_check" for _, one in good.values() for node in one.flow.nodes.values()
    ):
        return
    from dag_factory.checks.dependencies import check_dependencies

    flows = {flow_id: validated.flow for flow_id, (_, validated) in good.items()}
    for flow_id, finding in check_dependencies(flows, whole=whole):
        spec, validated = good[flow_id]
        document = read_document(validated.text.encode(), spec.shown_as)
        yield _problem(finding, document, spec.shown_as, {})


def _claimed_twice(flow_id: str, claims: list[tuple[SpecFile, bool]]) -> Iterator[Problem]:
    for spec, by_key in claims:
        others = ", ".join(other.shown_as for other, _ in claims if other is not spec)
        line, column = 1, 1
        if by_key:
            line, column = read_document(spec.path.read_bytes(), spec.shown_as).position(("id",))
        message = f"{flow_id!r} is also the id of {others}: give each flow an id of its own"
        yield _printable(Problem(spec.shown_as, line, column, "defined-twice", message))


def flow_id_of(path: FilePath | str, own_id: str | None = None) -> str:
    """Return the id of the DAG that a spec becomes.

    :param path: of the spec: ``NAME.flow.yaml``, or ``NAME.draft.flow.yaml`` for a draft of ``NAME``
    :param own_id: what the spec says that its id is
    """
    name = path.name if isinstance(path, FilePath) else posixpath.basename(path)
    for suffix in (*SPEC_SUFFIXES, ".yaml", ".yml"):
        if name.endswith(suffix):
            name = name[: -len(suffix)]
            break
    if name.endswith(DRAFT_SUFFIX):
        return (own_id or name[: -len(DRAFT_SUFFIX)]) + DRAFT_ID_SUFFIX
    return own_id or name


def _all_problems(
    refused: list[Problem],
    findings: Iterable[Finding],
    document: Document,
    file: str,
    files: Mapping[Path, LoadedFile],
) -> list[Problem]:
    """Return all problems in the order of their places, those of the spec itself first.

    :param refused: what is wrong with the spec as plain YAML
    """
    lines = {problem.line for problem in refused}
    # What was refused in the text is missing in the values: that is no problem of its own.
    found = {
        problem
        for problem in (_problem(finding, document, file, files) for finding in findings)
        if problem.file != file or problem.line not in lines
    }
    return sorted(found.union(refused), key=lambda problem: (problem.file != file, *_order(problem)))


def _order(problem: Problem) -> tuple[str, int, int, str, str]:
    return (problem.file, problem.line, problem.column, problem.code, problem.message)


def _problem(finding: Finding, document: Document, file: str, files: Mapping[Path, LoadedFile]) -> Problem:
    """Return a finding with its place, in the file that the text is in."""
    loaded = files.get(finding.path) if finding.offset is not None else None
    if loaded is not None and finding.offset is not None:
        file = posixpath.normpath(posixpath.join(posixpath.dirname(file), loaded.name))
        line, column = line_and_column(loaded.text, finding.offset)
    else:
        line, column = document.position(finding.path, key=finding.at_key, offset=finding.offset)
    return _printable(
        Problem(file, line, column, finding.code, finding.message, finding.suggestion, finding.severity)
    )


def _printable(problem: Problem) -> Problem:
    """Return a problem that is one line on any terminal, whatever words of the file are in it."""
    if problem.message.isprintable() and (problem.suggestion or "").isprintable():
        return problem
    return replace(
        problem,
        message=_escaped(problem.message),
        suggestion=None if problem.suggestion is None else _escaped(problem.suggestion),
    )


def _escaped(text: str) -> str:
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
