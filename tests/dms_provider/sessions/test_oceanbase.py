"""What only OceanBase does: a time limit for every statement, and a time zone of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from dms_provider.sessions.session import DatabaseError, Session
from tests.dms_provider.databases import Database

pytestmark = pytest.mark.parametrize("database", ["oceanbase"], indirect=True)


def ask(database: Database, sql: str) -> tuple[object, ...]:
    """Ask as any client would: in a session that nobody has prepared."""
    assert database.server is not None
    with closing(database.server.connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        row: tuple[object, ...] = cursor.fetchone() if cursor.description else ()
        return row


@pytest.fixture
def one_second_by_default(database: Database) -> Iterator[None]:
    """OceanBase's limit of 10 seconds, made shorter for all new sessions."""
    ((before,)) = ask(database, "SELECT @@GLOBAL.ob_query_timeout")
    assert before == 10_000_000
    ask(database, "SET GLOBAL ob_query_timeout = 1000000")
    try:
        yield
    finally:
        ask(database, f"SET GLOBAL ob_query_timeout = {before}")


@pytest.mark.usefixtures("one_second_by_default")
def test_oceanbases_own_limit_ends_no_statement(database: Database) -> None:
    with pytest.raises(Exception, match="ob_query_timeout"):
        ask(database, "SELECT SLEEP(1.5)")
    with Session(database.source()) as session:
        assert session.notes == ()
        session.execute("START TRANSACTION")
        assert session.execute("SELECT SLEEP(1.5)", is_query=True) == 1
        session.execute("COMMIT")


def test_a_limit_of_the_connection_is_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", database.uri_with("statement_timeout=1"))
    with (
        Session(database.source()) as session,
        pytest.raises(DatabaseError, match=r"ob_query_timeout.*\(error 4012\)"),
    ):
        session.execute(database.slow, is_query=True)


def test_the_servers_time_zone_stays(database: Database) -> None:
    with Session(database.source()) as session:
        assert session.first_row(
            "SELECT @@SESSION.time_zone, TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(), NOW())"
        ) == ("+08:00", 480)
