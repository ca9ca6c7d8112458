"""What the Airflows of many small runs import ahead is there."""

from __future__ import annotations

import importlib

import pytest

from tests.end_to_end.behaviour.instance import IMPORTED_AHEAD


@pytest.mark.parametrize("name", IMPORTED_AHEAD)
def test_it_can_be_imported(name: str) -> None:
    importlib.import_module(name)
