"""What several operators are tested on: databases, and a cloud that runs scripts."""

from __future__ import annotations

from tests.dms_provider.databases import database
from tests.dms_provider.operators.remote_commands import cloud, flow

__all__ = ["cloud", "database", "flow"]
