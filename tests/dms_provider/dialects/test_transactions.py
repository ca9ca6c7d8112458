"""Which statements cannot be part of a node's transaction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dms_provider.dialects import commits_by_itself, dialect

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "commits.yaml").read_text(encoding="utf-8"))


def cases(key: str) -> list[tuple[str, str]]:
    return [(conn_type, statement) for conn_type, lists in CASES.items() for statement in lists[key]]


@pytest.mark.parametrize(("conn_type", "statement"), cases("commits"))
def test_commits(conn_type: str, statement: str) -> None:
    assert commits_by_itself((statement,), dialect(conn_type))


@pytest.mark.parametrize(("conn_type", "statement"), cases("undone"))
def test_can_be_undone(conn_type: str, statement: str) -> None:
    assert commits_by_itself((statement,), dialect(conn_type)) is None


@pytest.mark.parametrize("statement", [s for s in CASES["postgres"]["commits"] if "TABLESPACE" not in s])
def test_postgres_refuses_them_in_a_transaction_or_ends_it(postgres_server: Any, statement: str) -> None:
    import psycopg

    with postgres_server.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (a int)")
        connection.commit()
        connection.execute("SELECT 1")
        before = connection.execute("SELECT pg_current_xact_id()").fetchone()
        warnings: list[str] = []
        connection.add_notice_handler(lambda notice: warnings.append(notice.message_primary or ""))
        try:
            connection.execute(statement)
        except psycopg.Error:
            connection.rollback()
            return
        after = connection.execute("SELECT pg_current_xact_id()").fetchone()
        assert before != after or any("already a transaction" in warning for warning in warnings)


@pytest.mark.parametrize(
    "statement", [s for s in CASES["postgres"]["undone"] if s.startswith(("CREATE", "DROP", "TRUN"))]
)
def test_postgres_undoes_the_others(postgres_server: Any, statement: str) -> None:
    with postgres_server.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS t")
        if not statement.startswith("CREATE TABLE"):
            connection.execute("CREATE TABLE t (a int)")
        before = connection.execute("SELECT pg_current_xact_id()").fetchone()
        connection.execute(statement)
        assert connection.execute("SELECT pg_current_xact_id()").fetchone() == before
        connection.rollback()
