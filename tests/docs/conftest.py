"""The documents' examples as files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.markdown import DOCUMENTS, ROOT, Example, examples


def spec_name(example: Example) -> str:
    """Return the file name that an example of a spec asks for; without one that of its id."""
    return example.options.get("file") or f"{yaml.safe_load(example.text)['id']}.flow.yaml"


def is_flow(example: Example) -> bool:
    """Whether an example is a spec that becomes a DAG."""
    return example.language == "yaml" and example.words in ((), ("flow",))


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each document a folder with its specs, and with a ``python`` that is the one of these tests."""
    return {document: _folder(document, tmp_path_factory.mktemp("reader")) for document in DOCUMENTS}


def _folder(document: str, folder: Path) -> Path:
    for example in examples(document):
        if example.language == "yaml":
            path = folder / spec_name(example)
            assert not path.exists(), f"{example}: another example is {path.name} too"
            path.write_text(example.text, encoding="utf-8")
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return folder
