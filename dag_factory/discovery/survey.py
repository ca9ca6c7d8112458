"""What is in a folder of specs: which flows are good, which spec owns which id, what has changed.

A survey is kept beside the layout, so that the next one reads only files that have changed since.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dag_factory.diagnostics import SpecError
from dag_factory.discovery.failures import Failure
from dag_factory.discovery.files import UNSETTLED, Stamp, find_specs, is_unchanged, stamp
from dag_factory.discovery.flows import read_flow, taken
from dag_factory.discovery.stub import stub_text
from dms_provider import __version__

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One spec, as it was read.

    :param dag_id: the id it asks for; of a bad spec the one that it owned when it was good, which stays its
        own
    :param problems: why it is bad, one line each; none if it is good
    :param stamps: every file that was read for it -> the file's stamp
    """

    dag_id: str | None
    problems: tuple[str, ...]
    stamps: Mapping[str, Stamp | None]

    def is_current(self) -> bool:
        """Whether none of the spec's files has changed."""
        return all(is_unchanged(path, before) for path, before in self.stamps.items())


@dataclass(frozen=True)
class Survey:
    """All specs of a folder.

    :param entries: path of a spec below the folder -> what it holds
    :param owners: DAG id -> path of the spec that has it
    :param refused: path of a good spec that asks for another's id -> why it cannot have it
    :param changed: DAG ids of the flows that were read anew for this survey, or are no more
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()

    @property
    def flows(self) -> dict[str, str]:
        """DAG id -> path of the spec, for every flow that can be built."""
        return {dag_id: spec for dag_id, spec in self.owners.items() if not self.entries[spec].problems}

    @property
    def stubs(self) -> dict[str, bytes]:
        """Path of a spec that cannot become a DAG -> source of its stub."""
        bad = {spec: entry.problems for spec, entry in self.entries.items() if entry.problems}
        return {spec: stub_text(problems) for spec, problems in sorted({**bad, **self.refused}.items())}

    def to_json(self) -> bytes:
        """Return the survey as :meth:`from_json` reads it."""
        stored = {
            "version": __version__,
            "entries": {
                spec: (entry.dag_id, entry.problems, list(entry.stamps.items()))
                for spec, entry in self.entries.items()
            },
            "owners": self.owners,
            "refused": self.refused,
        }
        return json.dumps(stored).encode()

    @classmethod
    def from_json(cls, stored: bytes) -> Survey:
        """Read a stored survey; an empty one if it is damaged.

        Of what another version of this package found only the owners of the ids count.
        """
        try:
            values = json.loads(stored)
            believed = values["version"] == __version__
            return cls(
                {spec: _entry(*entry, believed=believed) for spec, entry in values["entries"].items()},
                dict(values["owners"]),
                {spec: tuple(problems) for spec, problems in values["refused"].items()},
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()


def survey(folder: Path, before: Survey, failures: Mapping[str, Failure] | None = None) -> Survey:
    """Look at all specs of a folder; read those that have changed.

    :param folder: the folder that holds all specs
    :param before: the survey made last
    :param failures: path of a spec -> note that its flow could not be built
    :raises RuntimeError: symbolic links in the folder form a loop
    """
    entries: dict[str, Entry] = {}
    changed: set[str] = set()
    asked: dict[str, list[str]] = {}
    unused = dict(failures or {})
    for spec in find_specs(folder):
        known = before.entries.get(spec)
        if known is not None and known.is_current():
            entry = known
        else:
            entry = _read(folder, spec, before)
            changed |= {e.dag_id for e in (known, entry) if e and e.dag_id and not e.problems}
        if (failure := unused.pop(spec, None)) is not None and not entry.problems:
            if _is_still(failure, folder, spec):
                entry = replace(entry, problems=(failure.problem,))
            else:
                failure.forget()
        entries[spec] = entry
        if entry.dag_id is not None:
            asked.setdefault(entry.dag_id, []).append(spec)
    for failure in unused.values():
        failure.forget()
    owners: dict[str, str] = {}
    refused: dict[str, tuple[str, ...]] = {}
    for dag_id, specs in asked.items():
        incumbent = before.owners.get(dag_id)
        owners[dag_id] = owner = incumbent if incumbent in specs else specs[0]
        for spec in specs:
            if spec == owner:
                continue
            if entries[spec] is before.entries.get(spec) and owner == incumbent and spec in before.refused:
                refused[spec] = before.refused[spec]
            else:
                refused[spec] = _refuse(folder, spec, owner)
    changed |= {dag_id for dag_id, spec in before.owners.items() if owners.get(dag_id) != spec}
    return Survey(entries, owners, refused, frozenset(changed))


def _read(folder: Path, spec: str, before: Survey) -> Entry:
    path = folder / spec
    own = {str(path): stamp(path)}
    try:
        flow = read_flow(folder, spec)
    except SpecError as error:
        problems = tuple(str(problem) for problem in error.problems if problem.severity == "error")
        if _names_files(path):
            own = {str(path): UNSETTLED}
        known = before.entries.get(spec)
        owned = known.dag_id if known and known.dag_id and before.owners.get(known.dag_id) == spec else None
        return Entry(owned, problems, own)
    for warning in flow.validated.warnings:
        log.warning("%s", warning)
    return Entry(
        flow.dag_id, (), own | {str(file): stamp(file) for file in flow.validated.files if file != path}
    )


def _is_still(failure: Failure, folder: Path, spec: str) -> bool:
    """Whether the spec is what it was when its flow could not be built."""
    try:
        return failure.is_of(read_flow(folder, spec))
    except SpecError:
        return True  # it is changing at this moment: the next survey sees what it has become


def _names_files(path: Path) -> bool:
    """Whether the problems of a bad spec may go away although the spec itself does not change."""
    try:
        return b"_file" in path.read_bytes()
    except OSError:
        return True


def _refuse(folder: Path, spec: str, owner: str) -> tuple[str, ...]:
    try:
        return tuple(str(problem) for problem in taken(read_flow(folder, spec), owner).problems)
    except SpecError as error:
        return tuple(str(problem) for problem in error.problems)


def _entry(dag_id: str | None, problems: list[str], stamps: list[Any], *, believed: bool) -> Entry:
    """Return an entry from its JSON values; one that is not believed is read again."""
    return Entry(
        dag_id,
        tuple(problems),
        {path: tuple(value) if believed and value else UNSETTLED for path, value in stamps},
    )
