"""Times of one server: a scan by the database, an audit, and the same rules in common-sql."""

from __future__ import annotations

import importlib
import json
import logging
import os
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from dev.bench.audit.rules import Compared, thirty_rules
from dev.bench.audit.table import COLUMNS, NAME, make_table
from dev.services import Server

CONN_ID = "audited"


@dataclass
class Measured:
    """Seconds of each round, by what was done; and statements of the server, by who asked them.

    :param rules: how many
    """

    rules: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    scans: dict[str, int] = field(default_factory=dict)
    statements: dict[str, int] = field(default_factory=dict)

    def median(self, what: str) -> float:
        """Return the median of what was done."""
        return statistics.median(self.seconds[what])

    def ratio(self, what: str, base: str) -> float:
        """Return the median, over the rounds, of how many times as long one thing took as another."""
        pairs = zip(self.seconds[what], self.seconds[base], strict=True)
        return statistics.median(one / other for one, other in pairs)


class Statements(logging.Handler):
    """Notes how long each scan of an audit took."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "Scan %d: %.3f s" and isinstance(record.args, tuple):
            self.seconds.append(float(str(record.args[1])))


def measure(server: Server, rows: int, rounds: int) -> Measured:
    """Measure on one server; every round does everything once, one after the other.

    :param rows: of the table
    """
    uri = {"conn_type": server.conn_type, "host": server.host, "port": server.port}
    login = {"login": server.user, "password": server.password, "schema": server.database}
    os.environ[f"AIRFLOW_CONN_{CONN_ID.upper()}"] = json.dumps({**uri, **login})
    make_table(server, rows)
    rules = thirty_rules(server.kind)
    measured = Measured(len(rules))
    counts = ", ".join(f"COUNT({column})" for column in COLUMNS)
    _warm_up(server)
    for _ in range(rounds):
        _note(measured, "count(*)", lambda: _query(server, f"SELECT COUNT(*) FROM {NAME}"))
        _note(measured, "every column", lambda: _query(server, f"SELECT {counts} FROM {NAME}"))
        before = _log(server)
        _note(measured, "audit", lambda: _audit(rules, measured))
        _count(measured, "audit", server, before)
        before = _log(server)
        _note(measured, "common-sql", lambda: _common_sql(rules))
        _count(measured, "common-sql", server, before)
    return measured


def _warm_up(server: Server) -> None:
    """Load Airflow and the driver, and let the database see the table once."""
    from dms_provider.sessions.source import open_source

    importlib.import_module("airflow.providers.common.sql.operators.sql")
    open_source(CONN_ID, owner="alice", timeout=None).hook.get_conn().close()
    _query(server, f"SELECT COUNT(*) FROM {NAME}")


def _note(measured: Measured, what: str, do: Callable[[], None]) -> None:
    begin = time.monotonic()
    do()
    measured.seconds.setdefault(what, []).append(time.monotonic() - begin)


def _query(server: Server, sql: str) -> None:
    with closing(server.connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        cursor.fetchall()


def _audit(rules: list[Compared], measured: Measured) -> None:
    from dms_provider.audit.checks import judge
    from dms_provider.audit.run import AuditRun
    from dms_provider.sessions.source import open_source

    log = logging.Logger("audit")
    statements = Statements()
    log.addHandler(statements)
    run = AuditRun(open_source(CONN_ID, owner="alice", timeout=None), log)
    _, values = run.values(NAME, "", [compared.rule for compared in rules], {})
    for compared, value in zip(rules, values, strict=True):
        assert judge(value, compared.rule.parsed_check()).passed, (compared, value)
    for name, seconds in zip(("main scan", "distinct scan"), statements.seconds, strict=True):
        measured.seconds.setdefault(name, []).append(seconds)


def _common_sql(rules: list[Compared]) -> None:
    from airflow.providers.common.sql.operators.sql import SQLTableCheckOperator
    from airflow.sdk.bases.operator import ExecutorSafeguard

    checks = {f"rule_{number}": {"check_statement": rule.statement} for number, rule in enumerate(rules)}
    operator = SQLTableCheckOperator(task_id="checks", conn_id=CONN_ID, table=NAME, checks=checks)
    tracked = ExecutorSafeguard.tracker.set(operator)
    try:
        operator.execute({})
    finally:
        ExecutorSafeguard.tracker.reset(tracked)


def _log(server: Server) -> int:
    """Let the server note its statements; return where its notes end."""
    if server.kind == "postgres":
        _set(server, "ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()")
        return server.log.stat().st_size
    _set(
        server, "SET GLOBAL log_output = 'TABLE'", "TRUNCATE mysql.general_log", "SET GLOBAL general_log = 1"
    )
    return 0


def _count(measured: Measured, who: str, server: Server, before: int) -> None:
    texts: list[str]
    if server.kind == "postgres":
        with server.log.open("rb") as file:
            file.seek(before)
            noted = file.read().decode()
        texts = [text for text in noted.split("LOG:  ") if "SELECT" in text]
    else:
        with closing(server.connect()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("SET GLOBAL general_log = 0")
            cursor.execute("SELECT CAST(argument AS CHAR) FROM mysql.general_log")
            texts = [row[0] for row in cursor.fetchall()]
    of_table = [text for text in texts if _scans(text) and "EXPLAIN" not in text]
    measured.statements[who] = len(of_table)
    measured.scans[who] = sum(_scans(text) for text in of_table)


def _scans(text: str) -> int:
    return sum(text.count(f"FROM {name}") for name in (NAME, f'"{NAME}"', f"`{NAME}`"))


def _set(server: Server, *statements: str) -> None:
    with closing(server.connect(autocommit=True)) as connection, closing(connection.cursor()) as cursor:
        for statement in statements:
            cursor.execute(statement)
            if cursor.description:
                cursor.fetchall()


def printable(measured: Measured) -> list[tuple[str, Any, Any]]:
    """Return what was measured as rows: name, seconds, and times one scan of every column."""
    return [(what, measured.median(what), measured.ratio(what, "every column")) for what in measured.seconds]
