"""The copying program gets the login of the connection, and nobody else sees it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.dms_provider.schema_change.conftest import Book, needs_program, on_mysql_and_mariadb

PASSWORD = "p\"a'#s;\\w%ö=@ ,x"


@needs_program
@on_mysql_and_mariadb
def test_any_password_and_nowhere_to_be_read(
    book: Book, recorded_program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = book.server
    book.rows("DROP USER IF EXISTS 'keeper'@'%%'")
    book.rows("CREATE USER 'keeper'@'%%' IDENTIFIED BY %s", PASSWORD)
    book.rows("GRANT ALL ON *.* TO 'keeper'@'%%'")
    login = f"keeper:{quote(PASSWORD, safe='')}"
    monkeypatch.setenv(
        "AIRFLOW_CONN_SOURCE", f"mysql://{login}@127.0.0.1:{server.port}/dms?charset=utf8mb4&lock_free=auto"
    )
    log = book.change("ALTER TABLE book MODIFY n bigint NOT NULL")
    assert book.type_of("n") == "bigint"
    notes = recorded_program.read_text()
    assert "--alter\nMODIFY n bigint NOT NULL\n" in notes
    for told in (notes, *log):
        assert PASSWORD not in told
        assert "w%ö=@" not in told
