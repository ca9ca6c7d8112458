"""Real servers with a table that writers work on, and nodes that change it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dev.bench.schema_change.writers import make_tables
from dev.services import Server
from dms_provider.operators.base import SpecText
from dms_provider.operators.single_instance_sql import SingleInstanceSQLOperator
from dms_provider.schema_change import online_copy, patience
from dms_provider.schema_change.online_copy import PROGRAM
from tests.dms_provider.operators.running import run

ROWS = 3000

needs_program = pytest.mark.skipif(
    shutil.which(PROGRAM) is None, reason=f"NO {PROGRAM}: apt-get install percona-toolkit"
)

# What is wanted of the family of PostgreSQL, and of that of MySQL.
_COLUMN_TYPE = (
    "SELECT data_type FROM information_schema.columns WHERE table_name = %s AND column_name = %s"
    " AND table_schema IN ('dms', 'public')"
)
_BESIDE = (
    "SELECT table_name FROM information_schema.tables"
    " WHERE table_name LIKE '%%dms%%' AND table_schema = 'dms' UNION ALL"
    " SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema IN ('dms', 'public')"
)
_INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"


@dataclass(frozen=True)
class Book:
    """A server whose table ``book`` is to be changed."""

    server: Server
    uri: str
    others: frozenset[str] = frozenset()
    """Tables of other tests."""

    def change(self, sql: str, **arguments: Any) -> list[str]:
        """Run statements as a node does, and return its log."""
        node = SingleInstanceSQLOperator(task_id="node", conn_id="source", sql=SpecText(sql), **arguments)
        return run(node).log

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement past the node."""
        connection = self.server.connect()
        try:
            cursor = connection.cursor()
            cursor.execute(sql, parameters)
            rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
            connection.commit()
        finally:
            connection.close()
        return rows

    def type_of(self, column: str) -> str:
        return str(self.rows(_COLUMN_TYPE, "book", column)[0][0])

    def beside(self) -> list[str]:
        """Return triggers, and tables that a copy has left."""
        return sorted({str(row[0]) for row in self.rows(_BESIDE)} - self.others)

    def invalid_indexes(self) -> list[str]:
        return [
            row[0]
            for row in self.rows("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
        ]


@pytest.fixture
def book(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Book:
    """A table and its ledger on the server that a test names, by a connection with ``lock_free: auto``."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    make_tables(server, ROWS)
    uri = f"{server.airflow_uri}{'&' if '?' in server.airflow_uri else '?'}lock_free=auto"
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", uri)
    monkeypatch.setattr(patience, "PAUSES", (0.2,))
    monkeypatch.setattr(online_copy, "_LOCK_SECONDS", 1)
    others = frozenset() if server.kind == "postgres" else frozenset(Book(server, uri).beside())
    return Book(server, uri, others)


on_mysql_and_mariadb = pytest.mark.parametrize("book", ["mysql", "mariadb"], indirect=True)
on_mariadb = pytest.mark.parametrize("book", ["mariadb"], indirect=True)
on_mysql = pytest.mark.parametrize("book", ["mysql"], indirect=True)
on_postgres = pytest.mark.parametrize("book", ["postgres"], indirect=True)


@pytest.fixture
def recorded_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program in front of the real one on the PATH that notes its arguments and its environment.

    :return: the file with the notes
    """
    notes, real = tmp_path / "notes", shutil.which(PROGRAM)
    wrapper = tmp_path / "bin" / PROGRAM
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\n{{ printf "%s\\n" "$@"; env; }} >> {notes}\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", str(wrapper.parent), prepend=":")
    return notes
