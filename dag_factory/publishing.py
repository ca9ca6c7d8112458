"""A draft becomes the published spec of its flow, or the other way round: its file takes the other's name.

Source: flow-spec, first paragraph; DMS reference, section 6.3.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dag_factory.diagnostics import Problem, SpecError
from dag_factory.source import SourceError, read_bytes, read_document
from dag_factory.validation import DRAFT_SUFFIX, SPEC_SUFFIXES, flow_id_of, validate_bytes, validate_file


class PublishError(Exception):
    """Nothing was moved. The message says why, and what to do."""


class WrongVersion(PublishError):
    """The file is the other version of the flow already, or no spec."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a spec has become.

    :param flow_id: id of its DAG from now on
    :param file: its name from now on
    :param problems: what is wrong with it, and did not keep it from being moved
    """

    flow_id: str
    file: Path
    problems: tuple[Problem, ...] = ()


def publish(draft: Path, *, root: Path | None = None, others: Iterable[Path] = ()) -> Moved:
    """Let a draft become the published version of its flow, in place of the one before.

    After a crash the old version is published or the new one. The published file keeps its mode.

    :param draft: ``NAME.draft.flow.yaml``
    :param root: the folder that holds all specs; default: the folder of the draft
    :param others: all specs among which the flow's id must be its own
    :raises SpecError: with every problem of the draft
    :raises PublishError: the draft cannot become the published version
    """
    name, suffix = _split(draft)
    if not name.endswith(DRAFT_SUFFIX):
        raise WrongVersion(f"{draft} is no draft; give NAME{DRAFT_SUFFIX}{suffix}")
    _check_plain_file(draft)
    name = name.removesuffix(DRAFT_SUFFIX)
    published = [path for end in SPEC_SUFFIXES if os.path.lexists(path := draft.with_name(name + end))]
    if len(published) > 1:
        raise PublishError(f"{published[0]} and {published[1]} are both published: remove one of them")
    target = published[0] if published else draft.with_name(name + suffix)
    data = read_bytes(draft, str(draft))
    validated = validate_bytes(data, file=str(draft), path=draft, root=root)
    flow_id = flow_id_of(target, validated.flow.id)
    if published:
        _check_plain_file(target)
        before = _claimed_id(target)
        if before not in (None, flow_id):
            raise PublishError(
                f"{target} is the flow {before!r}, the draft would make it {flow_id!r}:"
                f" give the draft the id {before!r}, or unpublish {target} first"
            )
    _check_claims(flow_id, others, but=(draft, target))
    if read_bytes(draft, str(draft)) != data:
        raise PublishError(f"{draft} was changed while it was checked: publish it again")
    if published:
        os.chmod(draft, stat.S_IMODE(target.stat().st_mode))
    _move(draft, target)
    return Moved(flow_id, target, validated.warnings)


def unpublish(spec: Path, *, root: Path | None = None, others: Iterable[Path] = ()) -> Moved:
    """Let a published spec become a draft, which never runs by itself.

    A spec with problems is no less taken away.

    :param spec: ``NAME.flow.yaml``
    :param root: the folder that holds all specs; default: the folder of the spec
    :param others: all specs among which the draft's id must be its own
    :raises PublishError: there is a draft already, or another spec has its id
    """
    name, suffix = _split(spec)
    if name.endswith(DRAFT_SUFFIX):
        raise WrongVersion(f"{spec} is a draft: it is not published")
    _check_plain_file(spec)
    for end in SPEC_SUFFIXES:
        if os.path.lexists(draft := spec.with_name(name + DRAFT_SUFFIX + end)):
            raise PublishError(f"the draft {draft} would be lost: publish it, or remove it first")
    target = spec.with_name(name + DRAFT_SUFFIX + suffix)
    try:
        problems = validate_file(spec, root=root).warnings
    except SpecError as error:
        problems = error.problems
    flow_id = _claimed_id(spec, named=target) or flow_id_of(target)
    _check_claims(flow_id, others, but=(spec, target))
    _move(spec, target)
    return Moved(flow_id, target, problems)


def _split(path: Path) -> tuple[str, str]:
    """Return a spec's name without what makes it a spec, and that ending."""
    for suffix in SPEC_SUFFIXES:
        name = path.name.removesuffix(suffix)
        if name not in (path.name, "", DRAFT_SUFFIX):
            return name, suffix
    raise WrongVersion(f"{path} is no flow spec; a spec is NAME{SPEC_SUFFIXES[0]}")


def _check_plain_file(path: Path) -> None:
    if path.is_symlink():
        raise PublishError(f"{path} is a symbolic link: give the folder where the file itself is")
    if not path.is_file():
        raise PublishError(f"{path} is no file")


def _claimed_id(path: Path, named: Path | None = None) -> str | None:
    """Return the id of a file's DAG, as if it were ``named`` so; ``None`` if it cannot be read."""
    try:
        own_id = read_document(read_bytes(path, str(path)), str(path)).values.get("id")
    except SourceError:
        return None
    return flow_id_of(named or path, own_id if isinstance(own_id, str) else None)


def _check_claims(flow_id: str, others: Iterable[Path], but: tuple[Path, ...]) -> None:
    passed_over = {os.path.abspath(path) for path in but}
    for other in others:
        if os.path.abspath(other) not in passed_over and _claimed_id(other) == flow_id:
            raise PublishError(f"{flow_id!r} is the id of {other} too: give each flow an id of its own")


def _move(source: Path, target: Path) -> None:
    """Give a file another name in one step, once its content is on the disk."""
    _sync(source, os.O_RDONLY)
    os.replace(source, target)
    _sync(source.parent, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
