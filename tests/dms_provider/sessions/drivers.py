"""Connections of real drivers without a server: every call is checked against the driver's classes.

A call that the driver does not have, an attribute that it does not know, or arguments that its signature
refuses fail here as they would with the driver. What a server would answer is written down in
:class:`Script`; nothing here shows that a real server would understand a statement.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import MagicMock, create_autospec

import pytest

SLOW = "SELECT slow FROM t"
PASSWORD = "hidden-Pw-9"


@dataclass
class Script:
    """What the server would answer, and what it was asked.

    :param answers: statement -> rows of its result; any other statement changes three rows
    :param errors: statement -> error of the driver
    :param cancels: a statement that contains this ends :data:`SLOW`, which runs until then
    :param cancelled: the driver's error for a statement that was cancelled
    """

    answers: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)
    cancels: str = "no statement"
    cancelled: BaseException | None = None
    log: list[str] = field(default_factory=list)
    running: threading.Event = field(default_factory=threading.Event)
    cancel: threading.Event = field(default_factory=threading.Event)

    def execute(self, sql: str, mark: str = "") -> list[tuple[Any, ...]] | None:
        """Answer a statement.

        :param mark: how it came, for the log
        """
        self.log.append(f"{mark}{sql}")
        if sql == SLOW:
            self.running.set()
            assert self.cancel.wait(120), "nobody cancelled the statement"
            assert self.cancelled is not None
            raise self.cancelled
        if self.cancels in sql:
            self.cancel.set()
        if sql in self.errors:
            raise self.errors[sql]
        return self.answers.get(sql)


def cursor_like(kind: type, script: Script, mark: Callable[[], str], executes: Sequence[str]) -> MagicMock:
    """Return a cursor that has what the driver's has.

    :param mark: says how the connection is set at the moment
    :param executes: names of the methods that run a statement
    """
    cursor: MagicMock = create_autospec(kind, instance=True, spec_set=True)
    rows: list[tuple[Any, ...]] = []

    def execute(sql: str, *parameters: Any) -> None:
        answer = script.execute(sql, mark())
        rows[:] = answer or []
        width = len(rows[0]) if rows else 1
        cursor.description = None if answer is None else [(f"C{n}",) for n in range(width)]
        cursor.rowcount = 3 if answer is None else -1

    def fetch(size: int = 1 << 30) -> list[tuple[Any, ...]]:
        taken = rows[:size]
        del rows[:size]
        return taken

    for name in executes:
        getattr(cursor, name).side_effect = execute
    cursor.fetchmany.side_effect = fetch
    cursor.fetchall.side_effect = fetch
    cursor.fetchone.side_effect = lambda: fetch(1)[0]
    if hasattr(cursor, "nextset"):
        cursor.nextset.return_value = None
    cursor.close.side_effect = lambda: script.log.append("close cursor")
    return cursor


def connection_like(kind: type, script: Script, open_cursor: Callable[[], MagicMock]) -> MagicMock:
    """Return a connection that has what the driver's has."""
    connection: MagicMock = create_autospec(kind, instance=True, spec_set=True)
    connection.cursor.side_effect = open_cursor
    for name in ("commit", "rollback", "close"):
        getattr(connection, name).side_effect = lambda name=name: script.log.append(name)
    return connection


def oracle(monkeypatch: pytest.MonkeyPatch, script: Script) -> list[MagicMock]:
    """Put connections of python-oracledb behind its ``connect``; return them as they are opened."""
    import oracledb

    opened: list[MagicMock] = []
    script.cancelled = oracledb.DatabaseError("ORA-01013: user requested cancel of current operation")

    def connect(**arguments: Any) -> MagicMock:
        oracledb.ConnectParams(**{name: value for name, value in arguments.items() if name != "dsn"})

        def open_cursor() -> MagicMock:
            return cursor_like(
                oracledb.Cursor,
                script,
                lambda: "" if connection.autocommit is True else "open: ",
                ["execute"],
            )

        connection = connection_like(oracledb.Connection, script, open_cursor)
        connection.cancel.side_effect = script.cancel.set
        opened.append(connection)
        return connection

    monkeypatch.setattr(oracledb, "connect", connect)
    return opened


def dm(monkeypatch: pytest.MonkeyPatch, script: Script) -> list[MagicMock]:
    """Put connections of dmPython behind its ``connect``; return them as they are opened."""
    import dmPython

    opened: list[MagicMock] = []
    script.answers["SELECT SESSID() FROM DUAL"] = [(77,)]
    script.cancels = "SP_CLOSE_SESSION(77)"
    script.cancelled = dmPython.OperationalError("[CODE:-6001]the session was closed")

    def connect(**arguments: Any) -> MagicMock:
        def open_cursor() -> MagicMock:
            return cursor_like(
                dmPython.Cursor,
                script,
                lambda: "" if connection.autoCommit is True else "open: ",
                ["execute", "executedirect"],
            )

        connection = connection_like(dmPython.Connection, script, open_cursor)
        opened.append(connection)
        return connection

    monkeypatch.setattr(dmPython, "connect", connect)
    return opened


class Db2:
    """What ``ibm_db`` would do, below the real ``ibm_db_dbi``.

    :param script: of the server
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.autocommit = True
        self.limits: list[int] = []
        self.connected: list[str] = []

    def prepare(self, connection: object, sql: str) -> dict[str, Any]:
        return {"sql": sql, "rows": None}

    def execute(self, statement: dict[str, Any], parameters: tuple[str, ...] = ()) -> bool:
        answer = self.script.execute(statement["sql"], "" if self.autocommit else "open: ")
        if parameters:
            self.script.log.append(f"parameters {parameters}")
        statement["rows"] = None if answer is None else list(answer)
        return True

    def fetchmany(self, statement: dict[str, Any], size: int) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = statement["rows"]
        taken = rows[:size]
        del rows[:size]
        return taken

    def fetchall(self, statement: dict[str, Any]) -> list[tuple[Any, ...]]:
        return self.fetchmany(statement, 1 << 30)

    def num_fields(self, statement: dict[str, Any]) -> int:
        rows = statement["rows"]
        return 0 if rows is None else len(rows[0]) if rows else 1

    def set_option(self, resource: Any, options: dict[int, int], kind: int) -> bool:
        import ibm_db

        if ibm_db.SQL_ATTR_AUTOCOMMIT in options:
            assert kind == 1
            self.autocommit = options[ibm_db.SQL_ATTR_AUTOCOMMIT] == ibm_db.SQL_AUTOCOMMIT_ON
        if ibm_db.SQL_ATTR_QUERY_TIMEOUT in options:
            assert (kind, resource["rows"]) == (0, None)
            self.limits.append(options[ibm_db.SQL_ATTR_QUERY_TIMEOUT])
        return True

    def free_stmt(self, statement: dict[str, Any] | None) -> bool:
        if statement is None:
            raise Exception("Supplied parameter is invalid")
        return True

    def connect(self, text: str, *rest: Any) -> object:
        self.connected.append(text)
        return object()

    def put(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of the driver's functions in C."""
        import ibm_db

        self.script.answers["VALUES MON_GET_APPLICATION_HANDLE()"] = [(77,)]
        self.script.answers["SELECT UOW_ID, ACTIVITY_ID FROM TABLE(MON_GET_ACTIVITY(77, -2))"] = [(5, 1)]
        self.script.cancels = "CALL WLM_CANCEL_ACTIVITY(77, 5, 1)"
        self.script.cancelled = Exception("SQL4725N  The activity has been cancelled.  SQLSTATE=57014")
        names = (
            "prepare",
            "execute",
            "fetchmany",
            "fetchall",
            "num_fields",
            "set_option",
            "free_stmt",
            "connect",
        )
        for name in names:
            monkeypatch.setattr(ibm_db, name, getattr(self, name))
        for name in ("commit", "rollback", "close"):
            monkeypatch.setattr(ibm_db, name, lambda handle, name=name: self.script.log.append(name) or True)
        for name, value in {
            "get_db_info": "DB2/LINUXX8664",
            "num_rows": 3,
            "get_option": ibm_db.SQL_CURSOR_FORWARD_ONLY,
            "field_name": "C0",
            "field_type": "string",
            "field_display_size": 9,
            "field_width": 9,
            "field_precision": 9,
            "field_scale": 0,
            "field_nullable": True,
            "autocommit": 1,
        }.items():
            monkeypatch.setattr(ibm_db, name, lambda *arguments, value=value: value)
