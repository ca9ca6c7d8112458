"""The databases that operators are tested on."""

from __future__ import annotations

from tests.dms_provider.databases import database

__all__ = ["database"]
