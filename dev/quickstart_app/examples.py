"""The example specs in the quick start's DAGs folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

DELIVERED = "delivered.json"


def deliver(examples: Path, dags: Path, notes: Path) -> list[str]:
    """Copy the specs; one that was edited since the last delivery stays as it is.

    :param examples: folder of the specs
    :param dags: the DAGs folder
    :param notes: folder that keeps what was delivered
    :return: names of the specs that were left as they are
    """
    note = notes / DELIVERED
    delivered: dict[str, str] = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
    kept = []
    for example in sorted(examples.glob("*.flow.yaml")):
        target = dags / example.name
        if target.is_file() and digest(target) != delivered.get(example.name):
            kept.append(example.name)
            continue
        if not target.is_file() or digest(target) != digest(example):
            unfinished = target.with_name(f".{target.name}")
            unfinished.write_bytes(example.read_bytes())
            unfinished.replace(target)
        delivered[example.name] = digest(example)
    note.write_text(json.dumps(delivered, indent=1), encoding="utf-8")
    return kept


def digest(path: Path) -> str:
    """Return what tells a file's content from any other.

    :param path: a file
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()
