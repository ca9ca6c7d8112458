"""The query of a table_time_check on real databases."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

import pytest

from dms_provider.dialects import RefusedValue, bind, dialect
from dms_provider.operators.sql import server_mode
from dms_provider.sensors.look import LookFailed
from dms_provider.sensors.newer_rows import NewerRows, WrongCheck
from dms_provider.sensors.table_look import TableLook
from dms_provider.sessions.session import Session
from dms_provider.variables.values import AuthorText, Data, Value
from tests.dms_provider.databases import Database

TYPES = {
    "postgres": "timestamp",
    "mariadb": "datetime",
    "mysql": "datetime",
    "oceanbase": "datetime",
    "sqlite": "text",
}


def make_table(database: Database, *statements: str) -> None:
    with Session(database.source()) as session:
        for statement in ("DROP TABLE IF EXISTS dms_arrived", *statements):
            session.execute(statement)


def has_row(rows: NewerRows, values: Mapping[str, Value] | None = None) -> bool:
    look = TableLook(conn_id="source", owner="alice", rows=rows, values=values or {}, secrets={})
    return look.is_there(None)


def arrived(since: str, **more: Any) -> NewerRows:
    return NewerRows(**{"table": "dms_arrived", "time_column": "loaded_at", "since": since, **more})


@pytest.mark.parametrize(
    ("since", "inclusive", "found"),
    [
        ("2023-08-03 11:59:59", False, True),
        ("2023-08-03T11:59", False, True),
        ("2023-08-03", False, True),
        ("2023-08-03 12:00:00", False, False),
        ("2023-08-03 12:00:00", True, True),
        ("2023-08-03 12:00:01", True, False),
        ("2023-08-04", False, False),
    ],
)
def test_a_column_with_a_type_of_the_database(
    database: Database, since: str, inclusive: bool, found: bool
) -> None:
    make_table(
        database,
        f"CREATE TABLE dms_arrived (loaded_at {TYPES[database.kind]})",
        "INSERT INTO dms_arrived VALUES ('2023-08-03 12:00:00'), (NULL), ('2023-08-01 00:00:00')",
    )
    assert has_row(arrived(since, inclusive=inclusive)) is found


@pytest.mark.parametrize(
    ("type_", "value", "time_format"),
    [
        ("bigint", "1691064000", "epoch"),
        ("numeric(20, 3)", "1691064000.000", "epoch"),
        ("bigint", "1691064000000", "epoch_ms"),
        ("varchar(20)", "'20230803120000'", "yyyyMMddHHmmss"),
        ("varchar(20)", "'2023/08/03T12'", "yyyy/MM/dd'T'HH"),
        ("bigint", "2023080312", "yyyyMMddHH"),
    ],
)
def test_a_column_with_a_format(database: Database, type_: str, value: str, time_format: str) -> None:
    make_table(
        database,
        f"CREATE TABLE dms_arrived (loaded_at {type_})",
        f"INSERT INTO dms_arrived VALUES ({value})",
    )
    for since, found in {"2023-08-03 11:00:00": True, "2023-08-03 12:00:00": False}.items():
        assert has_row(arrived(since, time_format=time_format, timezone="UTC")) is found
        assert has_row(arrived(since, time_format=time_format, timezone="UTC", inclusive=True))
    # 19:00 in Shanghai is 11:00 in UTC; a pattern has no zone, a number of seconds has
    assert has_row(arrived("2023-08-03 19:00", time_format=time_format)) is time_format.startswith("epoch")


@pytest.mark.parametrize(
    ("type_", "value", "since", "time_format"),
    [
        ("bigint", "1691064000", "2023-08-03 00:00:00", None),
        ("datetime", "'2023-08-03 12:00:00'", "1691000000", None),
        ("datetime", "'2023-08-03 12:00:00'", "2022-08-03", "epoch"),
        ("varchar(30)", "'20230803'", "2023-08-03 12:00:00", None),
    ],
)
@pytest.mark.parametrize("database", ["mariadb", "mysql", "oceanbase", "sqlite"], indirect=True)
def test_times_and_numbers_are_not_compared(
    database: Database, type_: str, value: str, since: str, time_format: str | None
) -> None:
    make_table(
        database,
        f"CREATE TABLE dms_arrived (loaded_at {type_})",
        f"INSERT INTO dms_arrived VALUES ({value})",
    )
    rows = arrived(since, time_format=time_format)
    if database.kind == "sqlite" and type_ == "bigint":
        # Any number is less than any text.
        assert not has_row(rows)
        return
    with pytest.raises(LookFailed, match=r"cannot compare|Incorrect (?:DATETIME|TIMESTAMP) value") as failed:
        has_row(rows)
    assert not failed.value.may_pass


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_the_offset_of_a_zone(database: Database) -> None:
    make_table(
        database,
        "CREATE TABLE dms_arrived (loaded_at timestamptz)",
        "INSERT INTO dms_arrived VALUES ('2023-08-03 12:00:00+00')",
    )
    assert has_row(arrived("2023-08-03 19:59:59+08:00"))
    assert not has_row(arrived("2023-08-03T12:00:00Z"))


@pytest.mark.parametrize("database", ["mariadb", "mysql", "oceanbase", "sqlite"], indirect=True)
def test_an_offset_that_the_database_would_misread(database: Database) -> None:
    with pytest.raises(LookFailed, match="does not understand the offset of a zone") as caught:
        has_row(arrived("2023-08-03 19:59:59+08:00"))
    assert not caught.value.may_pass


def test_names_are_quoted(database: Database) -> None:
    quote = "`" if database.is_mysql else '"'
    table = f"{quote}order; DROP TABLE x --{quote}"
    with Session(database.source()) as session:
        session.execute(f"DROP TABLE IF EXISTS {table}")
        session.execute(f"CREATE TABLE {table} ({quote}select%s?{quote} bigint)")
        session.execute(f"INSERT INTO {table} VALUES (5)")
    found = NewerRows(table="order; DROP TABLE x --", time_column="select%s?", since="4", time_format="epoch")
    assert has_row(found)
    with Session(database.source()) as session:
        session.execute(f"DROP TABLE {table}")


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("region = '${region}'", True),
        ("region = '${other}'", False),
        ("region = 'x' OR region = '${other}'", False),
        ("region LIKE '%${part}%' -- 5%", True),
        ("region LIKE '%s' OR region = '${other}'", False),
        ("n > ${n} AND region IN ('${region}', '${other}')", True),
        ("region = '?' OR region = '${region}'", True),
        ("1 = 2", False),
        ("  ", True),
    ],
)
def test_where_and_data_in_it(database: Database, where: str, found: bool) -> None:
    value = 'o\'c\\lock "%s" ?飞'
    quoted = value.replace("'", "''")
    if database.is_mysql:
        quoted = quoted.replace("\\", "\\\\")
    make_table(
        database,
        f"CREATE TABLE dms_arrived (loaded_at {TYPES[database.kind]}, region varchar(60), n bigint)",
        f"INSERT INTO dms_arrived VALUES ('2023-08-03 12:00:00', '{quoted}', 7)",
    )
    values: dict[str, Value] = {
        "region": Data((value,)),
        "other": Data(("x' OR '1' = '1",)),
        "part": Data(("c\\l",)) if database.kind != "postgres" else Data(("o'c",)),
        "n": Data(("6",)),
    }
    if "part" in where and database.is_mysql:
        values["part"] = Data(("'c",))
    assert has_row(arrived("2023-08-03", where=where), values) is found


HOSTILE = (
    "2023-08-03' OR '1'='1",
    "2023-08-03'; DROP TABLE dms_arrived; --",
    "now() - interval '1 day'",
    "(SELECT max(loaded_at) FROM dms_arrived)",
    "\\' OR 1=1 -- ",
    "",
)


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_data(database: Database, value: str) -> None:
    make_table(
        database,
        f"CREATE TABLE dms_arrived (loaded_at {TYPES[database.kind]}, region varchar(60))",
        "INSERT INTO dms_arrived VALUES ('2023-08-04 12:00:00', 'east')",
    )
    values: dict[str, Value] = {"x": Data((value,))}
    with pytest.raises(LookFailed, match="since is"):
        has_row(arrived("${x}"), values)
    assert not has_row(arrived("2023-08-03", where="region = '${x}'"), values)
    for more in ({"table": "dms_${x}"}, {"time_column": "loaded_${x}"}, {"where": "n = ${x}"}):
        with pytest.raises(LookFailed, match=r"\$\{x\}"):
            has_row(arrived("2023-08-03", **more), values)
    with Session(database.source()) as session:
        assert session.first_row("SELECT count(*) FROM dms_arrived") == (1,)


@pytest.mark.parametrize(
    "where", ["1 = 1) OR (1 = 1", "1 = 1; DELETE FROM dms_arrived", "region = 'x", "1 = 1 /*", "(1 = 1"]
)
def test_where_is_one_balanced_expression(database: Database, where: str) -> None:
    with pytest.raises(LookFailed, match="no balanced expression"):
        has_row(arrived("2023-08-03", where=where))
    with pytest.raises(LookFailed, match="no balanced expression"):
        has_row(arrived("2023-08-03", where="${x}"), {"x": AuthorText(where)})


def test_a_backslash_ends_no_literal_that_the_session_reads_otherwise(database: Database) -> None:
    make_table(
        database,
        f"CREATE TABLE dms_arrived (loaded_at {TYPES[database.kind]}, region varchar(60))",
        "INSERT INTO dms_arrived VALUES ('2023-08-04 12:00:00', 'east')",
    )
    where = "region = '\\') OR (1 = 1 -- '"
    if database.is_mysql:
        assert not has_row(arrived("2023-08-03", where=where))
    else:
        with pytest.raises(LookFailed, match="no balanced expression"):
            has_row(arrived("2023-08-03", where=where))


@pytest.mark.parametrize(
    "more",
    [{"table": "dms_nowhere"}, {"time_column": "loaded_ad"}, {"where": "regoin = 'x'"}, {"where": "1 +"}],
)
def test_a_mistake_never_passes_and_is_told_at_once(database: Database, more: dict[str, str]) -> None:
    make_table(
        database,
        f"CREATE TABLE dms_arrived (loaded_at {TYPES[database.kind]})",
        "INSERT INTO dms_arrived VALUES ('2023-08-04 12:00:00')",
    )
    with pytest.raises(LookFailed, match=r"^source: ") as caught:
        has_row(arrived("2023-08-03", **more))
    assert not caught.value.may_pass


ROWS = 120_000
PLANS = {"postgres": "EXPLAIN (ANALYZE, FORMAT JSON) ", "mariadb": "ANALYZE FORMAT=JSON "}
"""What the server plans, and how many rows it read when it did so."""
ROWS_READ = {"postgres": r"'Actual Rows': ([\d.]+)", "mariadb": r'"r_rows": ([\d.]+)'}


@pytest.mark.parametrize("database", ["postgres", "mariadb"], indirect=True)
def test_a_look_reads_one_row_by_the_index_on_the_time_column(database: Database) -> None:
    numbers = {
        "postgres": f"generate_series(1, {ROWS}) AS numbers (n)",
        "mariadb": f"(SELECT seq AS n FROM seq_1_to_{ROWS}) AS numbers",
    }[database.kind]
    moment = {
        "postgres": "timestamp '2023-01-01' + n * interval '1 minute'",
        "mariadb": "'2023-01-01' + INTERVAL n MINUTE",
    }[database.kind]
    make_table(
        database,
        f"CREATE TABLE dms_arrived (loaded_at {TYPES[database.kind]}, region varchar(9), padding char(50))",
        f"INSERT INTO dms_arrived SELECT {moment}, 'east', 'x' FROM {numbers}",
        "CREATE INDEX dms_arrived_at ON dms_arrived (loaded_at)",
        "ANALYZE dms_arrived" if database.kind == "postgres" else "ANALYZE TABLE dms_arrived",
    )
    source = database.source()
    language = dialect(source.conn_type)
    with Session(source) as session:
        mode = server_mode(session, language)
        assert session.row("SELECT count(*) FROM dms_arrived") == (ROWS,)
        for since, where in itertools.product(
            ("2000-01-01", "2023-01-02 00:00:00", "2023-03-25 07:59:00", "2030-01-01"),
            ("", "region = '${region}'"),
        ):
            query = arrived(since, where=where).query({"region": Data(("east",))}, language, mode)
            sql, parameters = bind(query, language, mode, source.server.placeholder)
            assert (len(parameters) > 0) is (database.kind == "postgres")
            plan = str(session.row(PLANS[database.kind] + sql, parameters))
            assert (session.row(sql, parameters) is not None) is (since < "2030")
            assert "dms_arrived_at" in plan
            assert "Seq Scan" not in plan
            rows_read = [float(number) for number in re.findall(ROWS_READ[database.kind], plan)]
            assert rows_read
            assert max(rows_read) <= 1, plan


def test_a_list_is_no_point_in_time() -> None:
    language = dialect("sqlite")
    with pytest.raises(WrongCheck, match="is a list"):
        arrived("${x}").query({"x": Data(("a", "b"), ",")}, language, language.default_mode)
    with pytest.raises(RefusedValue):
        arrived("2023-08-03", table="${x}").query({"x": Data(("a.b",))}, language, language.default_mode)
