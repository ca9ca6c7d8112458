"""Changes that cannot go lock-free: they fail, say why, and leave the table as it was."""

from __future__ import annotations

import pytest

from dms_provider.operators.sql import StatementFailed
from dms_provider.schema_change import patience
from dms_provider.schema_change.base import Workplace
from dms_provider.schema_change.mysql_tables import MySQLTable
from dms_provider.schema_change.online_copy import OnlineCopy
from dms_provider.sessions.source import SourceError, find_source
from tests.dms_provider.schema_change.conftest import (
    ROWS,
    Book,
    needs_program,
    on_mariadb,
    on_mysql_and_mariadb,
    on_postgres,
)

WIDER = "ALTER TABLE book MODIFY n bigint"


def refusal(book: Book, sql: str, **arguments: object) -> str:
    with pytest.raises(StatementFailed) as raised:
        book.change(sql, **arguments)
    return str(raised.value)


@on_mysql_and_mariadb
def test_without_the_program_nothing_is_locked(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    text = refusal(book, WIDER)
    assert "pt-online-schema-change is not on the PATH of this worker. Install percona-toolkit there" in text
    assert book.type_of("n") == "int"


@needs_program
@on_mysql_and_mariadb
def test_a_copy_that_would_lose_something_does_not_become_the_table(book: Book) -> None:
    book.rows("ALTER TABLE book ADD UNIQUE (note, id), ADD COLUMN code varchar(9) UNIQUE")
    book.rows("UPDATE book SET code = CASE id WHEN 1 THEN '1' WHEN 2 THEN '01' END")
    assert "the copy has 2999 rows and dms.book has 3000" in refusal(book, "ALTER TABLE book MODIFY code int")
    assert "1265" in refusal(book, "ALTER TABLE book MODIFY note char(2)")
    assert book.type_of("code") == book.type_of("note") == "varchar"
    assert book.rows("SELECT COUNT(*), MAX(note) FROM book") == [(ROWS, "first")]
    assert book.beside() == []


@needs_program
@on_mysql_and_mariadb
def test_a_statement_that_the_program_would_read_differently(book: Book) -> None:
    modes = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')"
    # One comment in this mode; a comment and a second change in the program's.
    change = r"ALTER TABLE book MODIFY n bigint NOT NULL COMMENT '\'', ADD COLUMN evil int -- '"
    assert "its own sql_mode (NO_BACKSLASH_ESCAPES), under which" in refusal(book, f"{modes}; {change}")
    assert book.type_of("n") == "int"
    assert book.rows("SELECT * FROM book WHERE id = 1") == [(1, 7, "first")]
    book.change("SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_ZERO_IN_DATE'); " + WIDER)
    assert book.type_of("n") == "bigint"


@needs_program
@on_mariadb
def test_rows_that_are_written_while_the_last_lock_is_waited_for(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.rows("UPDATE book SET note = CONCAT('n', id)")
    book.rows("ALTER TABLE book MODIFY note varchar(64) COLLATE utf8mb4_bin NOT NULL, ADD UNIQUE (note)")
    reader = book.server.connect()
    take_its_place, pause = OnlineCopy._take_its_place, patience.pause

    def with_a_reader(copy: OnlineCopy) -> None:
        cursor = reader.cursor()
        cursor.execute("BEGIN")
        cursor.execute("SELECT COUNT(*) FROM book")
        cursor.fetchall()
        # another value than 'n1' only until the change
        book.rows("INSERT INTO book VALUES (0, 0, 'N1')")
        take_its_place(copy)

    def after_the_reader(place: Workplace, seconds: float) -> None:
        reader.rollback()
        pause(place, seconds)

    monkeypatch.setattr(OnlineCopy, "_take_its_place", with_a_reader)
    monkeypatch.setattr(patience, "pause", after_the_reader)
    modify = f"{WIDER}, MODIFY note varchar(64) COLLATE utf8mb4_general_ci NOT NULL"
    assert "1 rows of dms.book would have other values in note, or be the same as" in refusal(book, modify)
    assert book.rows("SELECT COUNT(*) FROM book") == [(ROWS + 1,)]
    assert book.beside() == []
    reader.close()


@needs_program
@on_mariadb
def test_what_the_program_refuses_is_told(book: Book) -> None:
    book.rows("DROP TABLE IF EXISTS child")
    book.rows("CREATE TABLE child (id int PRIMARY KEY, FOREIGN KEY (id) REFERENCES book (id))")
    try:
        assert "foreign keys" in refusal(book, WIDER)
        book.rows("DROP TABLE child")
        book.rows("CREATE TRIGGER own BEFORE INSERT ON book FOR EACH ROW SET NEW.n = NEW.n")
        assert "trigger" in refusal(book, WIDER)
        assert book.beside() == ["own"]
    finally:
        book.rows("DROP TRIGGER IF EXISTS own")
        book.rows("DROP TABLE IF EXISTS child")


@needs_program
@on_mariadb
def test_one_copy_at_a_time(book: Book) -> None:
    other = book.server.connect()
    other.cursor().execute("SELECT GET_LOCK(%s, 0)", (MySQLTable("dms", "book").user_lock,))
    assert "another node is changing dms.book" in refusal(book, WIDER)
    other.close()


@on_mysql_and_mariadb
def test_an_executable_comment(book: Book) -> None:
    assert "another statement on each version" in refusal(book, "/*!40000 ALTER TABLE book ADD x int */")


@on_mariadb
def test_its_own_clauses_are_kept(book: Book) -> None:
    log = book.change("ALTER TABLE book ALGORITHM=COPY, MODIFY n bigint")
    assert "Done as: ALTER TABLE book ALGORITHM=COPY, MODIFY n bigint" in log
    assert "1846" in refusal(book, "ALTER TABLE book MODIFY n int, ALGORITHM=INPLACE")


@on_mariadb
def test_a_temporary_table_hides_the_other(book: Book) -> None:
    log = book.change("CREATE TEMPORARY TABLE book (n int); ALTER TABLE book MODIFY n bigint")
    assert "dms.book is a temporary table, the statement runs as it is" in log
    assert book.type_of("n") == "int"


@on_mariadb
def test_partitions_of_ranges_are_added_as_they_are(book: Book) -> None:
    book.rows("ALTER TABLE book PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (5000))")
    log = book.change("ALTER TABLE book ADD PARTITION (PARTITION b VALUES LESS THAN (9000))")
    assert any(line.startswith("Done as: ALTER TABLE book ADD PARTITION") for line in log)
    book.change("ALTER TABLE book DROP PARTITION b")


@on_mysql_and_mariadb
def test_the_wait_for_a_lock_is_bounded(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WAIT_SECONDS", 1)
    monkeypatch.setattr(patience, "SECONDS_WITHOUT_LIMIT", 2.0)
    idle = book.server.connect()
    cursor = idle.cursor()
    cursor.execute("SELECT COUNT(*) FROM book FOR UPDATE")
    cursor.execute("SELECT CONNECTION_ID()")
    (number,) = cursor.fetchone()
    text = refusal(book, "ALTER TABLE book ADD COLUMN extra int")
    assert "dms.book was locked by others in each of " in text
    assert f"connection {number} of dms@" in text
    idle.rollback()
    log = book.change("ALTER TABLE book ADD COLUMN extra int; SELECT @@lock_wait_timeout INTO @after")
    assert any("ALGORITHM=INSTANT" in line for line in log)
    idle.close()


@on_postgres
def test_the_wait_for_a_lock_is_bounded_on_postgres(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SECONDS_WITHOUT_LIMIT", 2.0)
    monkeypatch.setattr("dms_provider.schema_change.postgres.WAIT_SECONDS", 1)
    idle = book.server.connect()
    idle.execute("SELECT 1 FROM book LIMIT 1")
    text = refusal(book, "ALTER TABLE book ADD COLUMN extra int")
    assert "book was locked by others in each of " in text
    assert f"pid {idle.info.backend_pid} of dms" in text
    idle.close()
    assert book.change("ALTER TABLE book ADD COLUMN extra int")


@on_postgres
def test_an_index_that_cannot_be_built_is_removed(book: Book) -> None:
    for sql in ('CREATE UNIQUE INDEX "By Note" ON book (note)', "CREATE UNIQUE INDEX ON public.book (note)"):
        assert "could not create unique index" in refusal(book, sql)
        assert book.invalid_indexes() == []


@on_postgres
def test_an_index_of_a_partitioned_table(book: Book) -> None:
    book.rows("DROP TABLE IF EXISTS parted")
    book.rows("CREATE TABLE parted (id int, n int) PARTITION BY RANGE (id)")
    book.rows("CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10)")
    text = refusal(book, "CREATE INDEX by_part ON parted (n)")
    assert 'cannot create index on partitioned table "parted" concurrently (SQLSTATE 0A000). For an' in text
    assert "CREATE INDEX name ON ONLY it, CREATE INDEX on each partition" in text
    book.change(
        "CREATE INDEX by_part ON ONLY parted (n); CREATE INDEX by_part_1 ON parted_1 (n);"
        " ALTER INDEX by_part ATTACH PARTITION by_part_1"
    )
    assert book.rows("SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_part'::regclass") == [(True,)]
    assert 'index "by_part" concurrently (SQLSTATE 0A000). To do' in refusal(book, "DROP INDEX by_part")
    book.rows("DROP TABLE parted")


@on_postgres
def test_no_part_of_a_transaction(book: Book) -> None:
    text = refusal(
        book, "INSERT INTO book VALUES (0, 0, ''); CREATE INDEX by_n ON book (n)", transaction=True
    )
    assert (
        "Statement 2 (line 1): a lock-free schema change (CREATE INDEX CONCURRENTLY) cannot be part" in text
    )
    assert book.rows("SELECT 1 FROM book WHERE id = 0") == []


@pytest.mark.parametrize("conn_type", ["sqlite", "oceanbase", "hologres", "lindorm", "polardbx"])
def test_sources_without_a_lock_free_way(conn_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_SOURCE", f'{{"conn_type": "{conn_type}", "extra": {{"lock_free": "auto"}}}}'
    )
    with pytest.raises(SourceError, match=f"is known for connection type {conn_type} \\(only for mysql, "):
        find_source("source", owner="alice", timeout=None)


@pytest.mark.parametrize(("value", "on"), [('"off"', False), ('"auto"', True), ('""', False), ("true", None)])
def test_the_extra(value: str, on: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", f'{{"conn_type": "mysql", "extra": {{"lock_free": {value}}}}}')
    if on is None:
        with pytest.raises(SourceError, match="lock_free must be off or auto"):
            find_source("source", owner="alice", timeout=None)
    else:
        assert find_source("source", owner="alice", timeout=None).lock_free is on
