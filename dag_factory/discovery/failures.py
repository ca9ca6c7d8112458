"""Flows that pass every check and cannot be built all the same: a fault of ours that no check foresaw.

Only the loader builds flows. It leaves a note of each that failed, and the next survey makes it the import
error of that spec, until the spec or the version of this package has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from dag_factory.diagnostics import SpecError
from dag_factory.discovery.files import write_if_changed
from dag_factory.discovery.flows import FoundFlow
from dms_provider import __version__


class Failure(NamedTuple):
    """A note of one failed build.

    :param note: the file that it stands in
    :param problem: what went wrong, one line
    :param digest: of all texts that the flow was built of, and the version that could not
    """

    note: Path
    problem: str
    digest: str

    def is_of(self, flow: FoundFlow) -> bool:
        """Whether the flow is still the one that failed."""
        return self.digest == _digest(flow)

    def forget(self) -> None:
        """Remove the note."""
        with contextlib.suppress(OSError):
            self.note.unlink(missing_ok=True)


def add_failure(folder: Path, flow: FoundFlow, error: SpecError) -> None:
    """Leave a note for the next survey.

    :param folder: of the notes
    :param error: what went wrong
    """
    note = folder / f"{hashlib.sha256(os.fsencode(flow.spec)).hexdigest()[:32]}.json"
    stored = {"spec": flow.spec, "problem": str(error.problems[0]), "digest": _digest(flow)}
    with contextlib.suppress(OSError):  # it is in the log, and the next parse tries again
        write_if_changed(note, json.dumps(stored).encode())


def read_failures(folder: Path) -> dict[str, Failure]:
    """Return the notes in a folder by the paths of the specs; damaged ones are removed."""
    return dict(filter(None, map(_read, folder.glob("*.json"))))


def _read(note: Path) -> tuple[str, Failure] | None:
    try:
        stored = json.loads(note.read_bytes())
        return stored["spec"], Failure(note, stored["problem"], stored["digest"])
    except (OSError, ValueError, TypeError, KeyError):
        note.unlink(missing_ok=True)
        return None


def _digest(flow: FoundFlow) -> str:
    texts = [__version__, flow.validated.text, *flow.validated.file_texts.values()]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()
