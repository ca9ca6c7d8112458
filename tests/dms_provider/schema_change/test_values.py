"""Values that another definition has no room for: never cut without a word, and no application fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from dms_provider.operators.sql import StatementFailed
from dms_provider.schema_change import exchange, online_copy
from dms_provider.schema_change.mysql_tables import MySQLTable
from dms_provider.schema_change.mysql_values import Doubt
from dms_provider.schema_change.online_copy import OnlineCopy
from dms_provider.sessions.session import Session, SessionStopped
from dms_provider.sessions.source import open_source
from tests.dms_provider.schema_change.conftest import (
    ROWS,
    Book,
    needs_program,
    on_mysql_and_mariadb,
)

NARROWER = "ALTER TABLE book MODIFY note varchar(5) NOT NULL"
PAIRS = {
    "int, bigint": True,
    "int, int unsigned": False,
    "int unsigned, bigint": True,
    "bigint, int": False,
    "int NULL, bigint NOT NULL": False,
    "decimal(9,2), decimal(10,3)": True,
    "decimal(9,2), decimal(9,3)": False,
    "datetime, datetime(6)": True,
    "datetime(6), datetime": False,
    "varchar(9), varchar(10)": True,
    "varchar(9), text": True,
    "varchar(9), char(9)": False,
    "text, varchar(9)": False,
    "varchar(9) CHARACTER SET utf8mb3, varchar(9) CHARACTER SET utf8mb4": True,
    "text CHARACTER SET latin1, text CHARACTER SET utf8mb4": False,
    "varchar(9) CHARACTER SET utf8mb4, varchar(9) CHARACTER SET utf8mb3": False,
    "enum('a','B'), enum('a','b')": False,
    "varbinary(9), blob": True,
    "varchar(9) COLLATE utf8mb4_bin, varchar(9) COLLATE utf8mb4_general_ci": True,
    "varchar(9) COLLATE utf8mb4_bin UNIQUE, varchar(9) COLLATE utf8mb4_general_ci UNIQUE": False,
    "varchar(9) COLLATE utf8mb3_bin UNIQUE, varchar(9) COLLATE utf8mb4_bin UNIQUE": True,
    "int, varchar(20)": False,
}
"""Definitions of a column, old and new -> whether each value fits."""


@pytest.fixture
def lenient_server(book: Book) -> Iterator[None]:
    """Let writers have a ``sql_mode`` that is not strict, as servers of old have."""
    ((before,),) = book.rows("SELECT @@GLOBAL.sql_mode")
    book.rows("SET GLOBAL sql_mode = ''")
    yield
    book.rows("SET GLOBAL sql_mode = %s", before)


def run_before(monkeypatch: pytest.MonkeyPatch, kind: object, name: str, first: Callable[[], object]) -> None:
    real = getattr(kind, name)

    def with_first(*arguments: object) -> object:
        first()
        return real(*arguments)

    monkeypatch.setattr(kind, name, with_first)


def refusal(book: Book, sql: str) -> str:
    with pytest.raises(StatementFailed) as raised:
        book.change(sql)
    return str(raised.value)


def unchanged(book: Book, column: str) -> None:
    assert book.rows(
        "SELECT character_maximum_length FROM information_schema.columns"
        " WHERE table_schema = 'dms' AND table_name = 'book' AND column_name = %s",
        column,
    ) == [(64,)]
    assert book.beside() == []


@on_mysql_and_mariadb
def test_which_definitions_hold_every_value(book: Book) -> None:
    old, new = MySQLTable("dms", "pair_old"), MySQLTable("dms", "pair_new")
    definitions = [pair.rsplit(", ", 1) for pair in PAIRS]
    with Session(open_source("source", owner="alice", timeout=None)) as session:
        for table, which in ((old, 0), (new, 1)):
            columns = ", ".join(f"v{number} {pair[which]}" for number, pair in enumerate(definitions))
            session.execute(f"DROP TABLE IF EXISTS {table.sql}")
            session.execute(f"CREATE TABLE {table.sql} ({columns})")
        doubt = Doubt.of(session, old, new)
        session.execute(f"DROP TABLE {old.sql}, {new.sql}")
    assert doubt is not None
    assert {pair: f"v{number}" not in doubt.names for number, pair in enumerate(PAIRS)} == PAIRS


@needs_program
@on_mysql_and_mariadb
@pytest.mark.usefixtures("lenient_server")
def test_a_row_of_a_lenient_writer_is_not_cut(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    run_before(
        monkeypatch,
        OnlineCopy,
        "_compare",
        lambda: book.rows("UPDATE book SET note = 'cut off' WHERE id = 7"),
    )
    assert "1 rows of dms.book would have other values in note" in refusal(book, NARROWER)
    assert book.rows("SELECT note FROM book WHERE id = 7") == [("cut off",)]
    unchanged(book, "note")


@needs_program
@on_mysql_and_mariadb
def test_rows_of_a_strict_writer_are_written_and_seen_under_the_last_lock(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    # To the copy, the last two are one.
    rows = "(0, 0, 'too long'), (32767, 0, 'short'), (40000, 0, 'other')"
    run_before(
        monkeypatch, OnlineCopy, "_take_its_place", lambda: book.rows(f"INSERT INTO book VALUES {rows}")
    )
    text = refusal(book, f"{NARROWER}, MODIFY id smallint NOT NULL")
    assert "3 rows of dms.book would have other values in id, note" in text
    assert book.rows("SELECT COUNT(*) FROM book") == [(ROWS + 3,)]
    unchanged(book, "note")


@needs_program
@on_mysql_and_mariadb
def test_more_is_written_than_can_be_compared_in_time(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    run_before(monkeypatch, OnlineCopy, "_take_its_place", lambda: book.rows("UPDATE book SET n = n + 1"))
    monkeypatch.setattr(online_copy, "_COMPARING_SECONDS", 0.0001)
    assert "takes more than 0.0001 s, in which nobody could write" in refusal(book, NARROWER)
    unchanged(book, "note")


@needs_program
@on_mysql_and_mariadb
def test_a_node_that_is_stopped_under_the_last_lock(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(session: Session, *_: object) -> None:
        session.kill()
        raise SessionStopped("source")

    monkeypatch.setattr(exchange, "_wait_for_queue", stopped)
    with pytest.raises(SessionStopped):
        book.change(NARROWER)
    assert book.rows("SELECT COUNT(*) FROM book") == [(ROWS,)]
    unchanged(book, "note")
