"""The real servers read back what was put in, whatever their mode, and see no other statement."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dms_provider.dialects import Dialect, RefusedValue, StatementReader, dialect, query_problem, substitute
from dms_provider.variables.references import DataReference, Text
from dms_provider.variables.values import Data

HOSTILE = [
    "it's",
    "''",
    "'; DROP TABLE kept; -- ",
    "\\",
    "\\'",
    "\\\\'; DROP TABLE kept; -- ",
    '"',
    "`",
    "%",
    "%s %(x)s %% \\% \\_",
    "-- ",
    "/* */ /*! 1 */ #",
    "$$ $a$",
    "\n\r\t\x1a\x08\x7f",
    "😀𠜎",
    "鎷縗",
    "縗'\\",
    "\xbf'",
    "\xbf\\'",
    "；＇’ʼ",
    "NULL",
    "-1",
    "${x} {{ x }}",
    "é\u0301\u200b\ufeff\ufdd0\uffff",
    " ",
    "x" * 70_000 + "'",
]
MYSQL_MODES = [
    ",".join(modes)
    for modes in itertools.product(("", "ANSI_QUOTES"), ("", "NO_BACKSLASH_ESCAPES"), ("", "PIPES_AS_CONCAT"))
]


def put(dialect: Dialect, mode: Any, template: str, value: str | None) -> str:
    before, after = template.split("${x}")
    return substitute((before, DataReference("x", Data((value,))), after), dialect, mode)


class Session:
    """One session of a server; executes as an operator does: without parameters."""

    def __init__(self, connection: Any, kind: Dialect) -> None:
        self.connection = connection
        self.dialect = kind

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        cursor = self.connection.cursor()
        try:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            cursor.close()

    @property
    def mode(self) -> Any:
        return self.dialect.mode(self.run(self.dialect.mode_query)[0] if self.dialect.mode_query else None)

    def value(self, template: str, value: str | None) -> Any:
        ((found,),) = self.run(put(self.dialect, self.mode, template, value))
        return found


def session_of(server: Any, conn_type: str) -> Iterator[Session]:
    connection = server.connect()
    connection.autocommit = True if conn_type == "postgres" else connection.autocommit
    session = Session(connection, dialect(conn_type))
    try:
        yield session
    finally:
        connection.close()


@pytest.fixture
def postgres(postgres_server: Any) -> Iterator[Session]:
    yield from session_of(postgres_server, "postgres")


@pytest.fixture(params=["mariadb", "mysql", "oceanbase"])
def mysql(request: pytest.FixtureRequest) -> Iterator[Session]:
    for session in session_of(request.getfixturevalue(f"{request.param}_server"), "mysql"):
        session.run("SET NAMES utf8mb4")
        yield session


@pytest.mark.parametrize("sql_mode", MYSQL_MODES)
def test_values_come_back_from_mysql(mysql: Session, sql_mode: str) -> None:
    mysql.run(f"SET sql_mode = '{sql_mode}'")
    templates = ["SELECT '${x}'", "SELECT /* ' */ '${x}' -- '"]
    if "ANSI_QUOTES" not in sql_mode:
        templates.append('SELECT "${x}"')
    for template, value in itertools.product(templates, HOSTILE):
        assert mysql.value(template, value) == value


@pytest.mark.parametrize("sql_mode", MYSQL_MODES)
def test_values_beside_the_authors_backslashes_and_quotes_in_mysql(mysql: Session, sql_mode: str) -> None:
    mysql.run(f"SET sql_mode = '{sql_mode}'")
    for value in HOSTILE:
        assert mysql.value("SELECT 'a\"`\\\\${x}\\\\'", value) in (f'a"`\\{value}\\', f'a"`\\\\{value}\\\\')


def test_national_literals_of_mysql(mysql: Session) -> None:
    for value in HOSTILE:
        if any(ord(character) > 0xFFFF for character in value):
            with pytest.raises(RefusedValue):
                mysql.value("SELECT N'${x}'", value)
        else:
            assert mysql.value("SELECT N'${x}'", value) == value


CHARSETS = ("gbk", "sjis", "big5", "latin1", "ascii", "utf8mb3", "cp932")
has_charsets = pytest.mark.parametrize("mysql", ["mariadb", "mysql"], indirect=True)
"""OceanBase's engine has none but UTF-8."""


@pytest.mark.parametrize(
    ("mysql", "charset"),
    # MariaDB has no gb18030
    [("mysql", "gb18030"), *itertools.product(["mariadb", "mysql"], CHARSETS)],
    indirect=["mysql"],
)
@pytest.mark.parametrize("sql_mode", ["", "NO_BACKSLASH_ESCAPES"])
def test_a_script_that_sets_another_character_set(mysql: Session, charset: str, sql_mode: str) -> None:
    mysql.run(f"SET sql_mode = '{sql_mode}'")
    mysql.run(f"SET NAMES {charset}")  # the driver goes on writing UTF-8
    accepted = 0
    for value, template in itertools.product(
        HOSTILE, ["SELECT '${x}'", "SELECT '報${x}'=1", "SELECT '\xbf${x}'=1"]
    ):
        try:
            sql = put(mysql.dialect, mysql.mode, template, value)
        except RefusedValue:
            continue
        accepted += 1
        if template == "SELECT '${x}'":
            assert mysql.run(sql) == [(value,)]
        else:
            assert len(mysql.run(sql)) == 1
    assert accepted > 10


@has_charsets
@pytest.mark.parametrize("setting", ["character_set_connection = latin1", "collation_connection = gbk_bin"])
def test_a_script_that_sets_the_character_set_of_literals_alone(mysql: Session, setting: str) -> None:
    mysql.run(f"SET {setting}")
    assert mysql.value("SELECT '${x}'", "it's") == "it's"
    with pytest.raises(RefusedValue):
        mysql.value("SELECT '${x}'", "😀")


def test_brackets_of_mariadb(mariadb_server: Any) -> None:
    for mariadb in session_of(mariadb_server, "mysql"):
        mariadb.run("SET sql_mode = 'MSSQL'")
        mode = mariadb.mode
        assert mariadb.run(put(mariadb.dialect, mode, "SELECT 1 AS [a';${x}]", "b")) == [(1,)]
        with pytest.raises(RefusedValue):
            put(mariadb.dialect, mode, "SELECT 1 AS [a' ${x} ']", "it's")


@pytest.mark.parametrize("conforming", ["on", "off"])
def test_values_come_back_from_postgres(postgres: Session, conforming: str) -> None:
    postgres.run(f"SET standard_conforming_strings = {conforming}")
    templates = ["SELECT '${x}'", "SELECT N'${x}'", "SELECT /* ' /* */ */ '${x}' -- '"]
    for template, value in itertools.product(templates, HOSTILE):
        assert postgres.value(template, value) == value


@pytest.mark.parametrize("encoding", ["GBK", "SJIS", "BIG5", "GB18030", "UHC", "LATIN1", "SQL_ASCII"])
@pytest.mark.parametrize("conforming", ["on", "off"])
def test_client_encodings_of_postgres(postgres: Session, encoding: str, conforming: str) -> None:
    postgres.run(f"SET standard_conforming_strings = {conforming}")
    postgres.run(f"SET client_encoding = '{encoding}'")
    accepted = 0
    for value in HOSTILE:
        try:
            sql = put(postgres.dialect, postgres.mode, "SELECT '${x}'::text", value)
            sql.encode(postgres.connection.info.encoding)
        except (RefusedValue, UnicodeEncodeError):
            continue
        ((found,),) = postgres.run(sql)
        assert (found.decode() if isinstance(found, bytes) else found) == value
        accepted += 1
    assert accepted > 10


def test_values_come_back_from_sqlite() -> None:
    session = Session(sqlite3.connect(":memory:"), dialect("sqlite"))
    for value in HOSTILE:
        assert session.value("SELECT '${x}'", value) == value


characters = st.text(
    st.sampled_from("'\"\\`%;-#/*$ a\n") | st.characters(codec="utf-8", exclude_characters="\0")
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(value=characters, sql_mode=st.sampled_from(MYSQL_MODES))
def test_any_value_comes_back_from_mysql(mysql: Session, value: str, sql_mode: str) -> None:
    mysql.run(f"SET sql_mode = '{sql_mode}'")
    assert mysql.value("SELECT '${x}'", value) == value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(value=characters, conforming=st.sampled_from(["on", "off"]))
def test_any_value_comes_back_from_postgres(postgres: Session, value: str, conforming: str) -> None:
    postgres.run(f"SET standard_conforming_strings = {conforming}")
    assert postgres.value("SELECT '${x}'", value) == value


NUMBERS = ["0", "-1", "123456789012345", "-0.5", ".5", "5.", "007"]


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize(
    ("template", "calculate"),
    [
        ("SELECT 10 -${x}", lambda x: 10 - x),
        ("SELECT 10 + (${x})", lambda x: 10 + x),
        ("SELECT -${x} + 0", lambda x: -x),
        ("SELECT 10 *${x}/**/", lambda x: 10 * x),
    ],
)
def test_numbers(
    mysql: Session, postgres: Session, template: str, calculate: Callable[[Decimal], Decimal], value: str
) -> None:
    expected = calculate(Decimal(value))
    for session in (mysql, postgres, Session(sqlite3.connect(":memory:"), dialect("sqlite"))):
        assert float(session.value(template, value)) == pytest.approx(float(expected))


def test_null(mysql: Session, postgres: Session) -> None:
    for session in (mysql, postgres):
        assert session.value("SELECT ${x}", None) is None
        assert session.value("SELECT '${x}'", None) == ""
        assert session.value("SELECT '${x}'", "NULL") == "NULL"


@pytest.mark.parametrize("sql_mode", MYSQL_MODES)
def test_identifiers_of_mysql(mysql: Session, sql_mode: str) -> None:
    mysql.run(f"SET sql_mode = '{sql_mode}'")
    quoted = ["`a_${x}`"] + ['"a_${x}"'] * ("ANSI_QUOTES" in sql_mode) + ["a_${x}", "${x}_a"]
    for name in quoted:
        cursor = mysql.connection.cursor()
        cursor.execute(put(mysql.dialect, mysql.mode, f"SELECT 1 AS {name}", "b1"))
        assert cursor.description[0][0] in ("a_b1", "b1_a")
        cursor.close()


def statements(session: Session, script: Text) -> Iterator[tuple[Any, ...]]:
    reader = StatementReader(session.dialect, script)
    while (statement := reader.next(session.mode)) is not None:
        yield from session.run(substitute(statement.text, session.dialect, session.mode))


def test_a_script_changes_the_mode_of_mysql_under_way(mysql: Session) -> None:
    value = DataReference("x", Data(("a\\'b\"",)))
    script: Text = (
        "SET sql_mode = ''; SELECT '", value, "', \"", value, "\", '\\'';"
        "SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT '", value, "', '\\';"
        "SET sql_mode = 'ANSI_QUOTES'; SELECT '", value, '\' AS "a;b";',
    )  # fmt: skip
    assert list(statements(mysql, script)) == [
        ("a\\'b\"", "a\\'b\"", "'"),
        ("a\\'b\"", "\\"),
        ("a\\'b\"",),
    ]


def test_a_script_changes_the_mode_of_postgres_under_way(postgres: Session) -> None:
    value = DataReference("x", Data(("a\\'b",)))
    script: Text = (
        "SET standard_conforming_strings = on; SELECT '", value, "', '\\';"
        "SET standard_conforming_strings = off; SELECT '", value, "', '\\'; -- ';",
    )  # fmt: skip
    assert list(statements(postgres, script)) == [("a\\'b", "\\"), ("a\\'b", "'; -- ")]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    "template",
    [
        "DO $$ BEGIN PERFORM '${x}'; END $$",
        "DO 'BEGIN PERFORM ''${x}''; END'",
        "DO $$ BEGIN EXECUTE 'SELECT ''${x}'''; END $$",
        "DO $$ BEGIN EXECUTE E'SELECT \\'${x}\\''; END $$",
    ],
)
def test_code_in_literals_of_postgres(postgres: Session, template: str, value: str) -> None:
    postgres.run("CREATE TABLE IF NOT EXISTS kept (a int)")
    try:
        sql = put(postgres.dialect, postgres.mode, template, value)
    except RefusedValue:
        pass
    else:
        postgres.run(sql)
    assert postgres.run("SELECT count(*) FROM kept") == [(0,)]
    assert value not in ("NULL", "-1") or sql


@pytest.mark.parametrize(
    "template", ["PREPARE s FROM 'SELECT ''${x}'''", "PREPARE s FROM 'SELECT \\'${x}\\''"]
)
def test_code_in_literals_of_mysql(mysql: Session, template: str) -> None:
    accepted = []
    for value in HOSTILE:
        try:
            sql = put(mysql.dialect, mysql.mode, template, value)
        except RefusedValue:
            continue
        mysql.run(sql)
        assert mysql.run("EXECUTE s") == [(value,)]
        accepted.append(value)
    assert accepted == ["NULL", "-1"]


@pytest.mark.parametrize("value", ["';a();'", "$$", "a'b"])
def test_code_of_a_library_of_mysql(value: str) -> None:
    with pytest.raises(RefusedValue):
        put(dialect("mysql"), None, "CREATE LIBRARY a LANGUAGE JAVASCRIPT AS $$ let b = '${x}'; $$", value)


def test_split_routines_run_on_mysql(mysql: Session) -> None:
    script = """
        DROP PROCEDURE IF EXISTS dms_split;
        CREATE PROCEDURE dms_split(IN a INT)
        BEGIN
          DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SELECT 'failed'; END;
          IF (a > 1) THEN SELECT IF(a > 2, 'many', 'two');
          ELSE SELECT CASE WHEN a THEN 'one' ELSE 'none' END; END IF;
        END;
        DELIMITER //
        CREATE OR REPLACE VIEW dms_split_view AS SELECT 'view' AS a //
        DELIMITER ;
        SELECT * FROM dms_split_view; /*!50000 SELECT 'executable; */' */;
        DROP VIEW dms_split_view; DROP PROCEDURE dms_split
    """
    assert list(statements(mysql, (script,))) == [("view",), ("executable; */",)]


def test_split_bodies_run_on_postgres(postgres: Session) -> None:
    script = """
        CREATE OR REPLACE FUNCTION dms_split(a int) RETURNS text LANGUAGE sql
        BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a = 1 THEN 'one;' END; END;
        SELECT dms_split(1); DO $a$ BEGIN PERFORM 1; END $a$; SELECT 'a'
          ';b', E'\\';'; DROP FUNCTION dms_split(int);
    """
    assert list(statements(postgres, (script,))) == [("one;",), ("a;b", "';")]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM kept FOR UPDATE",
        "WITH a AS (DELETE FROM kept RETURNING 1) SELECT 1",
        "SELECT 1 INTO kept_b",
    ],
)
def test_what_is_no_query_is_refused_by_a_read_only_transaction_too(postgres: Session, sql: str) -> None:
    import psycopg

    postgres.run("CREATE TABLE IF NOT EXISTS kept (a int)")
    assert query_problem((sql,), postgres.dialect)
    postgres.run("SET default_transaction_read_only = on")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        postgres.run(sql)
