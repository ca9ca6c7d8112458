"""The waiting loop of a table_time_check, on real databases."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from airflow.triggers.base import TriggerEvent

from dev.services import Server
from dms_provider.sensors.newer_rows import NewerRows
from dms_provider.sensors.table_look import TableLook
from dms_provider.sessions.session import Session
from dms_provider.triggers.table_time_check import TableTimeTrigger
from dms_provider.triggers.waiting import LOOKS_AT_ONCE
from dms_provider.variables.values import Data, Value
from tests.dms_provider.databases import Database, wait_until
from tests.dms_provider.operators.running import Log

SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
SERVERS = pytest.mark.parametrize("database", ["postgres", "mariadb", "mysql"], indirect=True)
LIMITS = (3, 20, 80)
"""Seconds that a wait may take: more where a busy machine did not even begin the look in time."""


def trigger(
    *,
    where: str = "",
    interval: float = 0.05,
    seconds: float | None = 60,
    values: dict[str, Value] | None = None,
    secrets: dict[str, str] | None = None,
    table: str = "dms_arrived",
) -> TableTimeTrigger:
    rows = NewerRows(table=table, time_column="loaded_at", since="2023-08-03", where=where)
    look = TableLook(conn_id="source", owner="alice", rows=rows, values=values or {}, secrets=secrets or {})
    made = TableTimeTrigger(
        look=look.to_json(),
        looked_for="a row",
        poke_interval=interval,
        deadline=None if seconds is None else time.time() + seconds,
    )
    return TableTimeTrigger(**json.loads(json.dumps(made.serialize()[1])))


async def payload(of: TableTimeTrigger) -> Any:
    events = [event async for event in of.run()]
    (event,) = events
    assert isinstance(event, TriggerEvent)
    return event.payload


def make_table(database: Database) -> None:
    with Session(database.source()) as session:
        session.execute("DROP TABLE IF EXISTS dms_arrived")
        session.execute("CREATE TABLE dms_arrived (loaded_at varchar(30), region varchar(30))")


def insert(database: Database, region: str = "east") -> None:
    with Session(database.source()) as session:
        session.execute(f"INSERT INTO dms_arrived VALUES ('2023-08-03 12:00:00', '{region}')")


def test_it_fires_once_there_is_a_row(database: Database) -> None:
    async def wait() -> Any:
        make_table(database)
        waiting = asyncio.create_task(payload(trigger()))
        await asyncio.sleep(1)
        assert not waiting.done()
        await asyncio.to_thread(insert, database)
        return await waiting

    assert asyncio.run(wait()) == {"found": "a row", "problem": None}


@SQLITE
def test_values_and_secrets_come_back(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_REGION_KEY", "o''clock")
    make_table(database)
    insert(database, "o''clock")
    found = trigger(
        where="region = '${region}' AND region = '${data}'",
        values={"data": Data(("o'clock",))},
        secrets={"region": "region_key"},
    )
    assert asyncio.run(payload(found))["problem"] is None


@SQLITE
def test_it_gives_up_in_time(database: Database) -> None:
    make_table(database)
    begin = time.monotonic()
    told = asyncio.run(payload(trigger(seconds=1, interval=0.3)))
    assert 0.9 < time.monotonic() - begin < 30
    assert told["problem"] == "a row did not come in time"
    assert asyncio.run(payload(trigger(seconds=-5, interval=3600)))["problem"] == told["problem"]


@SQLITE
def test_a_mistake_ends_the_wait_at_once(database: Database) -> None:
    told = asyncio.run(payload(trigger(table="dms_nowhere", seconds=None)))
    assert told["problem"] == "source: no such table: dms_nowhere"


class Gate:
    """Passes connections on to a server while it is open, and refuses them while it is shut."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._listening: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0

    async def open(self) -> None:
        self._listening = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        assert self._listening is not None
        self._listening.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server = await asyncio.open_connection(self._server.host, self._server.port)
        self._writers += [writer, to_server[1]]
        await asyncio.gather(_copy(reader, to_server[1]), _copy(to_server[0], writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()
    except ConnectionError:
        writer.transport.abort()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("waited in vain")


def insert_directly(server: Server) -> None:
    connection = server.connect()
    try:
        connection.cursor().execute("INSERT INTO dms_arrived VALUES ('2023-08-03 12:00:00', 'east')")
        connection.commit()
    finally:
        connection.close()


@SERVERS
def test_a_database_that_is_down_for_a_while(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    make_table(database)
    server = database.server
    assert server is not None
    log = Log()
    monkeypatch.setattr(TableTimeTrigger, "log", log)

    async def wait() -> Any:
        gate = Gate(server)
        await gate.open()
        monkeypatch.setenv("AIRFLOW_CONN_SOURCE", database.uri.replace(f":{server.port}", f":{gate.port}"))
        waiting = asyncio.create_task(payload(trigger(seconds=None)))
        await until(lambda: "Not there yet; looking again in 0.05 s" in log.lines)
        await gate.shut()
        insert_directly(server)
        await until(lambda: sum(line.startswith("WARNING Could not look: ") for line in log.lines) > 2)
        assert not waiting.done()
        await gate.open()
        told = await waiting
        await gate.shut()
        return told

    assert asyncio.run(wait())["problem"] is None


def test_the_reason_of_the_last_look_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", "postgres://dms:pass-word@127.0.0.1:1/dms")
    told = asyncio.run(payload(trigger(seconds=2)))
    assert told["problem"].startswith("a row did not come in time; the last look failed: source: ")
    assert "pass-word" not in str(told)


@asynccontextmanager
async def looking(database: Database, found: TableTimeTrigger) -> AsyncIterator[asyncio.Task[Any]]:
    """Run a trigger, and wait until its look is going on the server."""
    task = asyncio.create_task(payload(found))
    await asyncio.to_thread(wait_until, database.runs_a_query, "the look")
    yield task
    await asyncio.to_thread(database.wait_for_silence)


async def cancel(found: TableTimeTrigger, task: asyncio.Task[Any]) -> None:
    """End a trigger as the triggerer does when its task was cleared, marked or stopped."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await found.on_kill()


async def on_kill(found: TableTimeTrigger, task: asyncio.Task[Any]) -> None:
    """Kill the look alone."""
    await found.on_kill()
    task.cancel()


@SERVERS
@pytest.mark.parametrize("end", [cancel, on_kill])
def test_a_look_that_is_going_is_stopped_on_the_server(
    database: Database, end: Callable[[TableTimeTrigger, asyncio.Task[Any]], Awaitable[None]]
) -> None:
    make_table(database)
    insert(database)

    async def wait() -> None:
        found = trigger(where=f"({database.slow}) > 0", seconds=None)
        async with looking(database, found) as task:
            await end(found, task)

    asyncio.run(wait())


@pytest.mark.parametrize("database", ["postgres", "mariadb"], indirect=True)
def test_a_look_that_is_going_when_time_is_over_is_stopped_on_the_server(database: Database) -> None:
    make_table(database)
    insert(database)

    async def was_going(limit: float) -> bool:
        task = asyncio.create_task(payload(trigger(where=f"({database.slow}) > 0", seconds=limit)))
        seen = False
        while not task.done():
            seen = seen or await asyncio.to_thread(database.runs_a_query)
            await asyncio.sleep(0.05)
        assert (await task)["problem"].startswith("a row did not come in time")
        await asyncio.to_thread(database.wait_for_silence)
        return seen

    assert any(asyncio.run(was_going(limit)) for limit in LIMITS), "no look began in time"


def test_other_triggers_go_on_while_a_database_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    going: list[int] = []
    most: list[int] = []

    def is_there(look: TableLook, timeout: timedelta | None) -> bool:
        going.append(1)
        most.append(len(going))
        released.wait(60)
        going.pop()
        return True

    monkeypatch.setattr(TableLook, "is_there", is_there)

    async def wait() -> list[Any]:
        waiting = [asyncio.create_task(payload(trigger(interval=0, seconds=None))) for _ in range(40)]
        for _ in range(20):
            begin = time.monotonic()
            await asyncio.sleep(0.01)
            assert time.monotonic() - begin < 30
        released.set()
        return await asyncio.gather(*waiting)

    assert [told["problem"] for told in asyncio.run(wait())] == [None] * 40
    assert max(most) == LOOKS_AT_ONCE


def test_an_error_of_ours_fails_the_trigger(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_there(look: TableLook, timeout: timedelta | None) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(TableLook, "is_there", is_there)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(payload(trigger()))


@SQLITE
def test_a_connection_that_airflow_cannot_give_for_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_table(database)
    insert(database)
    monkeypatch.delenv("AIRFLOW_CONN_SOURCE")
    threading.Timer(0.5, monkeypatch.setenv, ("AIRFLOW_CONN_SOURCE", database.uri)).start()
    assert asyncio.run(payload(trigger()))["problem"] is None


@SQLITE
def test_a_connection_that_stays_away(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_SOURCE")
    problem = asyncio.run(payload(trigger(seconds=1)))["problem"]
    assert problem.startswith(
        "a row did not come in time; the last look failed: connection source does not exist"
    )
