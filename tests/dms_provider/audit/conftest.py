"""The databases that audits are made on."""

from __future__ import annotations

from tests.dms_provider.databases import database

__all__ = ["database"]
