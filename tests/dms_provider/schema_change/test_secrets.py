"""The copying program gets the login of the connection, and nobody else sees it."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from dms_provider.operators.sql import StatementFailed
from tests.dms_provider.schema_change.conftest import Book, needs_program, on_mysql, on_mysql_and_mariadb

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


@needs_program
@on_mysql
def test_over_tls_with_a_certificate_of_its_own(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    server, made = book.server, book.server.folder / "data"
    book.rows("DROP USER IF EXISTS 'certified'@'%%'")
    book.rows("CREATE USER 'certified'@'%%' IDENTIFIED BY %s REQUIRE X509", PASSWORD)
    book.rows("GRANT ALL ON *.* TO 'certified'@'%%'")
    files = {"ca": "ca.pem", "cert": "client-cert.pem", "key": "client-key.pem"}
    tls: dict[str, object] = {
        "ssl": {name: str(made / file) for name, file in files.items()},
        "ssl_mode": "REQUIRED",
    }

    def connect(extra: dict[str, object]) -> None:
        connection = {"conn_type": "mysql", "host": server.host, "port": server.port, "schema": "dms"}
        login = {"login": "certified", "password": PASSWORD}
        extras = {"lock_free": "auto", "charset": "utf8mb4", **extra}
        monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps({**connection, **login, "extra": extras}))

    connect(tls)
    book.change("ALTER TABLE book MODIFY n bigint NOT NULL")
    assert book.type_of("n") == "bigint"
    book.rows("ALTER USER 'certified'@'%%' REQUIRE SSL")
    connect({"ssl_mode": "REQUIRED"})
    with pytest.raises(StatementFailed, match=r"ssl_mode REQUIRED; .* only with the certificate of an auth"):
        book.change("ALTER TABLE book MODIFY n int NOT NULL")
    assert book.type_of("n") == "bigint"
