"""What is recognised as a change of a table, which way it goes, and that nothing else of its text changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dms_provider.dialects import dialect, substitute
from dms_provider.schema_change import mysql_statements, postgres_statements
from dms_provider.schema_change.base import SchemaChangeError
from dms_provider.schema_change.mysql_statements import TableChange
from dms_provider.variables.references import DataReference
from dms_provider.variables.values import Data

MYSQL = dialect("mysql")
POSTGRES = dialect("postgres")


def mysql(sql: str) -> TableChange:
    change = mysql_statements.read_change(sql, MYSQL, MYSQL.default_mode)
    assert change is not None
    return change


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (a int, INDEX (a))",
        "DROP TABLE t",
        "RENAME TABLE t TO u",
        "TRUNCATE t",
        "ALTER DATABASE d CHARACTER SET utf8mb4",
        "ALTER USER u IDENTIFIED BY 'ALTER TABLE t'",
        "INSERT INTO t VALUES ('; ALTER TABLE t ADD x int')",
        "SELECT `ALTER`, `TABLE` FROM t -- ALTER TABLE t ADD x int",
        "CREATE TRIGGER i BEFORE INSERT ON t FOR EACH ROW SET @index = 1",
        "/*!50003 CREATE TRIGGER i BEFORE INSERT ON t FOR EACH ROW SET @a = 1 */",
    ],
)
def test_what_is_no_change_of_a_table_in_mysql(sql: str) -> None:
    assert mysql_statements.read_change(sql, MYSQL, MYSQL.default_mode) is None


@pytest.mark.parametrize(
    ("sql", "table", "attempts"),
    [
        (
            "ALTER TABLE d.t /* a, b */ ADD x int DEFAULT ',', -- one\n MODIFY y bigint",
            ("d", "t"),
            [
                "ALTER TABLE d.t /* a, b */ ALGORITHM=INSTANT, ADD x int DEFAULT ',', -- one\n"
                " MODIFY y bigint",
                "ALTER TABLE d.t /* a, b */ ALGORITHM=INPLACE, LOCK=NONE, ADD x int DEFAULT ',', -- one\n"
                " MODIFY y bigint",
            ],
        ),
        (
            "create unique index `i``x` using btree on `a.b`.`t` (x) comment ')' -- why",
            ("a.b", "t"),
            [
                "create unique index `i``x` using btree on `a.b`.`t` (x) comment ')'"
                " ALGORITHM=INPLACE LOCK=NONE -- why"
            ],
        ),
        (
            "# why\nDROP INDEX i ON t -- so",
            ("t",),
            ["# why\nALTER TABLE t ALGORITHM=INPLACE, LOCK=NONE, DROP INDEX i -- so"],
        ),
        (
            "ALTER TABLE t ADD x int, ALGORITHM = INSTANT",
            ("t",),
            ["ALTER TABLE t ADD x int, ALGORITHM = INSTANT"],
        ),
        ("ALTER TABLE t LOCK=SHARED, ADD x int", ("t",), ["ALTER TABLE t LOCK=SHARED, ADD x int"]),
        (
            "ALTER TABLE t ALGORITHM INPLACE, ADD x int",
            ("t",),
            ["ALTER TABLE t LOCK=NONE, ALGORITHM INPLACE, ADD x int"],
        ),
        ("CREATE INDEX i ON t (a) LOCK NONE", ("t",), ["CREATE INDEX i ON t (a) LOCK NONE"]),
        ("ALTER TABLE t TRUNCATE PARTITION p", ("t",), ["ALTER TABLE t TRUNCATE PARTITION p"]),
        ("ALTER TABLE t PARTITION BY HASH (id) PARTITIONS 4", ("t",), []),
    ],
)
def test_what_the_server_is_asked_for(sql: str, table: tuple[str, ...], attempts: list[str]) -> None:
    change = mysql(sql)
    assert change.table == table
    assert list(change.attempts) == attempts


@pytest.mark.parametrize(
    ("sql", "copied"),
    [
        (
            "ALTER TABLE t MODIFY y bigint COMMENT 'unique', ENGINE=InnoDB",
            "MODIFY y bigint COMMENT 'unique', ENGINE=InnoDB",
        ),
        ("ALTER TABLE t CHANGE `Y` y bigint", "CHANGE `Y` y bigint"),
        ("ALTER TABLE t DROP a, ADD b int", "DROP a, ADD b int"),
        ("ALTER TABLE t COALESCE PARTITION 2", "COALESCE PARTITION 2"),
        ("CREATE FULLTEXT INDEX i ON t (a) WITH PARSER ngram", "ADD FULLTEXT INDEX i (a) WITH PARSER ngram"),
        ("CREATE INDEX i USING BTREE ON t (a)", "ADD INDEX i USING BTREE (a)"),
    ],
)
def test_what_a_copy_is_made_for(sql: str, copied: str) -> None:
    assert mysql(sql).copied == copied


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("ALTER TABLE t ADD UNIQUE (a), MODIFY a bigint", "not unique"),
        ("ALTER TABLE t ADD/**/CONSTRAINT u UNIQUE (a)", "not unique"),
        ("ALTER TABLE t ADD COLUMN a int UNIQUE", "not unique"),
        ("ALTER TABLE t MODIFY a int KEY", "not unique"),
        ("CREATE UNIQUE INDEX i ON t (a)", "not unique"),
        ("ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (a)", "primary key"),
        ("ALTER TABLE t RENAME COLUMN a TO b, MODIFY c bigint", "RENAME COLUMN"),
        ("ALTER TABLE t RENAME TO u, MODIFY c bigint", "RENAME TO"),
        ("ALTER TABLE t CHANGE a b int", "another name"),
        ("ALTER TABLE t DROP a, ADD `A` int", "dropped and added"),
        ("ALTER TABLE t DROP a, ADD (b int, a int)", "dropped and added"),
        ("ALTER IGNORE TABLE t MODIFY a bigint", "IGNORE"),
        ("SET STATEMENT max_statement_time = 9 FOR ALTER TABLE t MODIFY a bigint", "SET STATEMENT"),
    ],
)
def test_what_a_copy_could_get_wrong(sql: str, reason: str) -> None:
    change = mysql(sql)
    assert change.copied is None
    assert reason in change.not_copied
    assert "else it fails" in change.way


@pytest.mark.parametrize(
    "sql",
    [
        "/*!40000 ALTER TABLE t DISABLE KEYS */",
        "ALTER TABLE t /*!99999 ADD x int */",
        "ALTER TABLE t ADD x int '",
    ],
)
def test_what_cannot_be_read_is_refused(sql: str) -> None:
    with pytest.raises(SchemaChangeError):
        mysql_statements.read_change(sql, MYSQL, MYSQL.default_mode)


def test_double_quotes_are_read_as_the_session_reads_them() -> None:
    sql = 'ALTER TABLE "t" ADD x int'
    quotes = replace(MYSQL.default_mode, double_quotes="identifier")
    change = mysql_statements.read_change(sql, MYSQL, quotes)
    assert change is not None
    assert change.table == ("t",)
    for double_quotes in ("literal", "unknown"):
        with pytest.raises(SchemaChangeError):
            mysql_statements.read_change(sql, MYSQL, replace(quotes, double_quotes=double_quotes))


@pytest.mark.parametrize(
    "value", ["', ALGORITHM=COPY, COMMENT '", "x' -- ", "\\', LOCK=EXCLUSIVE, COMMENT '", "`"]
)
def test_data_decides_nothing(value: str) -> None:
    text = ("ALTER TABLE t MODIFY a bigint COMMENT '", DataReference("note", Data((value,))), "'")
    change = mysql(substitute(text, MYSQL))
    assert len(change.attempts) == 2
    assert change.copied is not None
    assert all(not attempt.endswith(", COMMENT ''") for attempt in change.attempts)


@pytest.mark.parametrize(
    ("sql", "runs"),
    [
        ("CREATE INDEX i ON t (a)", "CREATE INDEX CONCURRENTLY i ON t (a)"),
        (
            "create unique index /* x */ on only s.t (a)",
            "create unique index /* x */ CONCURRENTLY on only s.t (a)",
        ),
        ("CREATE INDEX concurrently i ON t (a)", "CREATE INDEX concurrently i ON t (a)"),
        ("CREATE INDEX IF NOT EXISTS i ON t (a)", "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)"),
        ("DROP INDEX IF EXISTS i", "DROP INDEX CONCURRENTLY IF EXISTS i"),
        ("REINDEX (VERBOSE) TABLE t -- x", "REINDEX (VERBOSE) TABLE CONCURRENTLY t -- x"),
        ("REINDEX (CONCURRENTLY, VERBOSE) INDEX i", "REINDEX (CONCURRENTLY, VERBOSE) INDEX i"),
        ("ALTER TABLE IF EXISTS ONLY s.t ADD x int", "ALTER TABLE IF EXISTS ONLY s.t ADD x int"),
    ],
)
def test_what_postgres_is_asked_for(sql: str, runs: str) -> None:
    change = postgres_statements.read_change(sql, POSTGRES, POSTGRES.default_mode)
    assert change is not None
    assert change.runs == runs


@pytest.mark.parametrize(
    ("sql", "table", "index"),
    [
        ('CREATE INDEX "My i" ON "S" . "T t" USING btree (a)', '"S"."T t"', '"My i"'),
        ("CREATE INDEX ON ONLY t (a)", "t", ""),
        ("CREATE UNIQUE INDEX IF NOT EXISTS i ON t (a)", "t", "i"),
    ],
)
def test_the_names_of_an_index(sql: str, table: str, index: str) -> None:
    change = postgres_statements.read_change(sql, POSTGRES, POSTGRES.default_mode)
    assert change is not None
    assert (change.table, change.index) == (table, index)


@pytest.mark.parametrize("sql", ["REINDEX SYSTEM d", 'CREATE INDEX i ON U&"t" (a)', "CREATE INDEX i"])
def test_what_postgres_cannot_do_is_refused(sql: str) -> None:
    with pytest.raises(SchemaChangeError):
        postgres_statements.read_change(sql, POSTGRES, POSTGRES.default_mode)


@pytest.mark.parametrize(
    "sql", ["CREATE TABLE t (a int)", "DROP TABLE i", "SELECT 'CREATE INDEX'", "ALTER ROLE r"]
)
def test_what_is_no_change_of_a_table_in_postgres(sql: str) -> None:
    assert postgres_statements.read_change(sql, POSTGRES, POSTGRES.default_mode) is None
