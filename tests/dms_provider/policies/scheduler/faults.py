"""Faults of the database, made by the database, in the middle of what the provider does in the scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import event

from dms_provider.policies import run_start

RAISES = "DO $$ BEGIN RAISE EXCEPTION 'provoked' USING ERRCODE = '{}'; END $$"
KILLED = "SELECT pg_terminate_backend(pg_backend_pid())"
LOST = f"ROLLBACK; {RAISES.format('40P01')}"
"""As MySQL answers a deadlock: the whole transaction is undone, its SAVEPOINTs too; the connection stays."""
PASSING = {
    "lock_timeout": RAISES.format("55P03"),
    "deadlock": RAISES.format("40P01"),
    "serialization": RAISES.format("40001"),
    "statement_timeout": "SET LOCAL statement_timeout = '5ms'; SELECT pg_sleep(1)",
    "killed": KILLED,
}
LASTING = {
    "division": "SELECT 1 / 0",
    "not_unique": RAISES.format("23505"),
}


class Faults:
    """Puts a statement that fails in the place of others.

    :param function: of the module; only what is executed inside of it is counted, and fails
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, function: str = "_start", module: ModuleType = run_start
    ) -> None:
        self.statements: list[str] = []
        self._inside = False
        self._run_id: str | None = None
        self._fails_at: Callable[[int], bool] = lambda number: False
        self._instead = ""
        original = getattr(module, function)

        def watched(dag_run: Any, *args: Any) -> Any:
            if self._run_id not in (None, dag_run.run_id):
                return original(dag_run, *args)
            self.statements.clear()
            self._inside = True
            try:
                return original(dag_run, *args)
            finally:
                self._inside = False

        monkeypatch.setattr(module, function, watched)

    @contextmanager
    def watching(self, run_id: str | None = None) -> Iterator[None]:
        """Count, and let fail, what is executed for one run, or for any."""
        from airflow import settings

        self._run_id = run_id

        def before(
            connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
        ) -> tuple[str, Any]:
            if not self._inside or statement == "SELECT 1":
                return statement, parameters
            self.statements.append(statement)
            if self._fails_at(len(self.statements)):
                return self._instead, {}
            return statement, parameters

        event.listen(settings.engine, "before_cursor_execute", before, retval=True)
        try:
            yield
        finally:
            event.remove(settings.engine, "before_cursor_execute", before)

    def fail(self, instead: str, at: Callable[[int], bool]) -> None:
        """Put a statement in the place of those whose number, from 1, is chosen."""
        self._instead, self._fails_at = instead, at
