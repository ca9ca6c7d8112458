"""A double of SQL Server: speaks TDS 7.2 to 7.4 to a real driver, and runs the statements in SQLite.

What is real: the conversation. Pre-login, login, batches, result sets of integers, floats, Unicode text,
binary and NULL, row counts, errors and ATTENTION are as the protocol has them. Rows go out as SQLite finds
them, and the batch of a client that is gone ends.

What it does not do: T-SQL. A batch is translated by sqlglot, statement by statement, so each needs a ``;``
behind it. There are no variables, procedures, TRY or IF; types, functions and error numbers are SQLite's but
for a few. ``SET`` is ignored but for ``XACT_ABORT`` (``ON``: an error ends the batch and undoes the
transaction; ``OFF``: the next statement of the batch runs). ``WAITFOR`` waits until it is cancelled, however
long it says. No encryption (connect with ``encryption=off``), no remote procedure calls, no bulk load, no
MARS, no named instances. The formats of its messages: [MS-TDS], *Tabular Data Stream Protocol*.
"""

from __future__ import annotations

import contextlib
import re
import socket
import socketserver
import sqlite3
import struct
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError

BATCH, RESPONSE, ATTENTION, LOGIN, PRELOGIN = 1, 4, 6, 16, 18
_END_OF_MESSAGE = 1
_PACKET = 4096
_MORE, _ERROR, _COUNT, _ATTENTION_DONE = 0x01, 0x02, 0x10, 0x20
_COLLATION = bytes((0x09, 0x04, 0xD0, 0x00, 0x34))
_INTEGER = bytes((0x26, 8))
_FLOAT = bytes((0x6D, 8))
_BINARY = bytes((0xA5, 0xFF, 0xFF))
_TEXT = bytes((0xE7, 0xFF, 0xFF)) + _COLLATION
_NULL_LONG = b"\xff" * 8
_NUMBERS = (
    (re.compile("no such table: (?P<name>.*)"), 208, "Invalid object name '{name}'."),
    (re.compile("no such column: (?P<name>.*)"), 207, "Invalid column name '{name}'."),
    (
        re.compile("UNIQUE constraint failed: (?P<name>.*)"),
        2627,
        "Violation of UNIQUE KEY constraint on '{name}'.",
    ),
)
_WAITFOR = re.compile(r"\s*WAITFOR\b", re.I)


class Rejected(Exception):
    """A statement fails with a number of SQL Server's."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


class TdsServer(socketserver.ThreadingTCPServer):
    """The server. Use it in a ``with`` statement; it listens on a free port of this machine.

    :param folder: for the database, one file
    :param password: of every user
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, folder: Path, password: str = "Secret 1") -> None:
        self.database = folder / "tds.db"
        self.password = password
        self.batches: list[str] = []
        """Every batch that has arrived, in order."""
        self.running: list[str] = []
        """The batches that are being executed."""
        self.attentions = 0
        """How many times a client has asked for a batch to be cancelled."""
        self.rows_sent = 0
        super().__init__(("127.0.0.1", 0), _Connection)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def __enter__(self) -> TdsServer:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.shutdown()
        self.server_close()


class _Connection(socketserver.BaseRequestHandler):
    """One client. This thread reads, so that ATTENTION is seen while another one executes."""

    server: TdsServer

    def setup(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sqlite = sqlite3.connect(
            self.server.database, isolation_level=None, check_same_thread=False, timeout=30
        )
        self.sqlite.create_function("SESSIONPROPERTY", 1, lambda name: 1)
        self.sqlite.create_function("CONCAT", -1, lambda *parts: "".join(str(part or "") for part in parts))
        self.xact_abort = False
        self.cancelled = threading.Event()
        self.work: SimpleQueue[str | None] = SimpleQueue()
        self.out = bytearray()

    def handle(self) -> None:
        executor = threading.Thread(target=self._execute_batches, daemon=True)
        executor.start()
        with contextlib.suppress(ConnectionError):
            for kind, message in self._messages():
                if kind == PRELOGIN:
                    self._answer_prelogin()
                elif kind == LOGIN:
                    if not self._answer_login(message):
                        break
                elif kind == BATCH:
                    headers = struct.unpack_from("<I", message)[0]
                    self.cancelled.clear()
                    self.work.put(message[headers:].decode("utf-16-le"))
                elif kind == ATTENTION:
                    self.server.attentions += 1
                    self._cancel()
                    self.work.put(None)
        # Like SQL Server: the batch of a client that is gone ends.
        self._cancel()
        self.work.put("")
        executor.join()
        self.sqlite.close()

    def _messages(self) -> Iterator[tuple[int, bytes]]:
        message = b""
        while True:
            header = self._read(8)
            if len(header) < 8:
                return
            kind, status, length = struct.unpack(">BBH", header[:4])
            message += self._read(length - 8)
            if status & _END_OF_MESSAGE:
                yield kind, message
                message = b""

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length and (part := self.request.recv(length - len(data))):
            data += part
        return data

    def _cancel(self) -> None:
        self.cancelled.set()
        self.sqlite.interrupt()

    # Answers

    def _put(self, data: bytes) -> None:
        self.out += data
        while len(self.out) > _PACKET - 8:
            self._send(bytes(self.out[: _PACKET - 8]), last=False)
            del self.out[: _PACKET - 8]

    def _finish(self) -> None:
        self._send(bytes(self.out), last=True)
        self.out.clear()

    def _send(self, data: bytes, *, last: bool) -> None:
        self.request.sendall(struct.pack(">BBHHBB", RESPONSE, int(last), len(data) + 8, 0, 1, 0) + data)

    def _answer_prelogin(self) -> None:
        version, no_encryption = bytes((16, 0, 0x10, 0, 0, 0)), b"\2"
        options = struct.pack(">BHHBHHB", 0, 11, 6, 1, 17, 1, 0xFF)
        self._put(options + version + no_encryption)
        self._finish()

    def _answer_login(self, message: bytes) -> bool:
        version = message[4:8]
        offset, length = struct.unpack_from("<HH", message, 44)
        scrambled = message[offset : offset + 2 * length]
        plain = bytes(((byte ^ 0xA5) << 4 | (byte ^ 0xA5) >> 4) & 0xFF for byte in scrambled)
        if plain.decode("utf-16-le") != self.server.password:
            self._put_error(18456, "Login failed.")
            self._put_done(_ERROR)
            self._finish()
            return False
        body = b"\1" + version[::-1] + _short_text("Microsoft SQL Server") + bytes((16, 0, 0x10, 0))
        self._put(b"\xad" + struct.pack("<H", len(body)) + body)
        size = b"\4" + _short_text(str(_PACKET)) + _short_text(str(_PACKET))
        self._put(b"\xe3" + struct.pack("<H", len(size)) + size)
        self._put_done(0)
        self._finish()
        return True

    def _put_done(self, status: int, rows: int = 0) -> None:
        self._put(struct.pack("<BHHQ", 0xFD, status, 0, rows))

    def _put_error(self, number: int, message: str) -> None:
        text = message.encode("utf-16-le")
        body = struct.pack("<IBBH", number, 1, 16, len(text) // 2) + text + _short_text("double") + b"\0"
        body += struct.pack("<I", 1)
        self._put(b"\xaa" + struct.pack("<H", len(body)) + body)

    # Batches

    def _execute_batches(self) -> None:
        while (batch := self.work.get()) != "":
            with contextlib.suppress(ConnectionError):
                if batch is None:
                    self._put_done(_ATTENTION_DONE)
                else:
                    self._execute_batch(batch)
                self._finish()

    def _execute_batch(self, batch: str) -> None:
        self.server.batches.append(batch)
        self.server.running.append(batch)
        try:
            statements = [batch] if _WAITFOR.match(batch) else _translated(batch)
            for number, statement in enumerate(statements, 1):
                more = _MORE if number < len(statements) else 0
                try:
                    self._execute(statement, more)
                except (sqlite3.Error, Rejected) as error:
                    if self.cancelled.is_set():
                        break
                    self._put_error(*_as_sql_server_says(error))
                    if self.xact_abort:
                        if self.sqlite.in_transaction:
                            self.sqlite.execute("ROLLBACK")
                        more = 0
                    self._put_done(_ERROR | more)
                    if not more:
                        break
        except ParseError as error:
            self._put_error(102, f"Incorrect syntax: {error.errors[0]['description']}")
            self._put_done(_ERROR)
        finally:
            self.server.running.remove(batch)

    def _execute(self, statement: str, more: int) -> None:
        if setting := re.match(r"SET\s+XACT_ABORT\s+(ON|OFF)", statement, re.I):
            self.xact_abort = setting[1].upper() == "ON"
        if re.match(r"(SET|USE)\b", statement, re.I):
            self._put_done(more)
            return
        if _WAITFOR.match(statement):
            self.cancelled.wait()
            raise Rejected(0, "cancelled")
        cursor = self.sqlite.execute(statement)
        if cursor.description is None:
            self._put_done(more | _COUNT * (cursor.rowcount >= 0), max(cursor.rowcount, 0))
            return
        first = cursor.fetchone()
        types = [_type(cell) for cell in first or [""] * len(cursor.description)]
        self._put(_column_metadata([str(column[0]) for column in cursor.description], types))
        count = 0
        while first is not None:
            self._put(b"\xd1" + b"".join(_cell(cell, of) for cell, of in zip(first, types, strict=True)))
            count += 1
            self.server.rows_sent += 1
            if self.cancelled.is_set():
                raise Rejected(0, "cancelled")
            first = cursor.fetchone()
        self._put_done(more | _COUNT, count)


def _translated(batch: str) -> list[str]:
    found: list[str] = []
    for statement in sqlglot.parse(batch, read="tsql"):
        if isinstance(statement, (exp.Set, exp.Command, exp.Use)):
            found.append(statement.sql("tsql"))
        elif statement is not None:
            found.append(statement.transform(_plain_literal).sql("sqlite"))
    return found


def _plain_literal(node: exp.Expression) -> exp.Expression:
    return exp.Literal.string(node.this) if isinstance(node, exp.National) else node


def _as_sql_server_says(error: Exception) -> tuple[int, str]:
    if isinstance(error, Rejected):
        return error.number, str(error)
    for pattern, number, text in _NUMBERS:
        if match := pattern.match(str(error)):
            return number, text.format(**match.groupdict())
    return 50000, str(error)


def _short_text(text: str) -> bytes:
    return bytes((len(text),)) + text.encode("utf-16-le")


def _type(cell: Any) -> bytes:
    """Return the type of a column by its first cell: SQLite knows the types of cells only."""
    if isinstance(cell, int):
        return _INTEGER
    if isinstance(cell, float):
        return _FLOAT
    return _BINARY if isinstance(cell, bytes) else _TEXT


def _column_metadata(names: Sequence[str], types: Sequence[bytes]) -> bytes:
    nullable = 1
    columns = (
        struct.pack("<IH", 0, nullable) + of + _short_text(name)
        for name, of in zip(names, types, strict=True)
    )
    return struct.pack("<BH", 0x81, len(names)) + b"".join(columns)


def _cell(cell: Any, of: bytes) -> bytes:
    if of in (_INTEGER, _FLOAT):
        return b"\0" if cell is None else b"\x08" + struct.pack("<q" if of == _INTEGER else "<d", cell)
    if cell is None:
        return _NULL_LONG
    data = cell if isinstance(cell, bytes) else str(cell).encode("utf-16-le")
    chunk = struct.pack("<I", len(data)) + data if data else b""
    return struct.pack("<Q", len(data)) + chunk + struct.pack("<I", 0)
