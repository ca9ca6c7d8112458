"""Changes while others write: afterwards the table has, row by row, what the writers have in their ledger."""

from __future__ import annotations

import pytest

from dev.bench.schema_change.writers import Writers, difference
from tests.dms_provider.schema_change.conftest import (
    ROWS,
    Book,
    needs_program,
    on_mysql_and_mariadb,
    on_postgres,
)

BEFORE = AFTER = 20


def changed(book: Book, sql: str) -> list[str]:
    """Change the table while writers work, and compare it with their ledger."""
    with Writers(book.server, ROWS) as writers:
        writers.wait_for(BEFORE)
        log = book.change(sql)
        writers.wait_for(AFTER)
    assert writers.errors == []
    assert difference(book.server) == ""
    return log


@on_mysql_and_mariadb
@pytest.mark.parametrize(
    ("sql", "clause"),
    [
        ("ALTER TABLE book ADD COLUMN extra int DEFAULT 5", "ALTER TABLE book ALGORITHM=INSTANT, ADD"),
        ("ALTER TABLE book ADD INDEX by_n (n)", "ALTER TABLE book ALGORITHM=INPLACE, LOCK=NONE, ADD"),
        ("CREATE INDEX by_note ON book (note)", "(note) ALGORITHM=INPLACE LOCK=NONE"),
    ],
    ids=["instant", "inplace", "create index"],
)
def test_in_place(book: Book, sql: str, clause: str) -> None:
    (done,) = [line for line in changed(book, sql) if line.startswith("Done as: ")]
    assert clause in done


@needs_program
@on_mysql_and_mariadb
def test_by_a_copy(book: Book) -> None:
    modify = "MODIFY n bigint NOT NULL COMMENT '数 # \"1\"'"
    shorter = "MODIFY note varchar(60) NOT NULL"
    log = changed(book, f"ALTER TABLE book {modify}, {shorter}, ADD COLUMN extra varchar(9) DEFAULT '再'")
    assert any(line == "The copy has taken the place of dms.book" for line in log)
    assert book.type_of("n") == "bigint"
    (made,) = book.rows("SHOW CREATE TABLE book")
    assert "COMMENT '数 # \"1\"'" in made[1]
    assert "DEFAULT '再'" in made[1]
    assert book.beside() == []


@on_postgres
def test_indexes_concurrently(book: Book) -> None:
    log = changed(
        book, "CREATE INDEX by_n ON book (n); REINDEX INDEX by_n; REINDEX TABLE book; DROP INDEX by_n"
    )
    ways = [line.removeprefix("Lock-free schema change: ") for line in log if line.startswith("Lock-free")]
    assert ways == [
        "CREATE INDEX CONCURRENTLY",
        "REINDEX INDEX CONCURRENTLY",
        "REINDEX TABLE CONCURRENTLY",
        "DROP INDEX CONCURRENTLY",
    ]
    assert book.rows("SELECT 1 FROM pg_class WHERE relname LIKE 'by_n%%'") == []
