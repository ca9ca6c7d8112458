"""The process of a test OceanBase: the engine of ``pylibseekdb``, and a port in front of its socket.

A program of its own, started by :mod:`dev.services.oceanbase`. Its engine listens on a Unix socket only.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

HOST = "127.0.0.1"
PASSWORD_VARIABLE = "DMS_OCEANBASE_PASSWORD"
_BLOCK = 1 << 16


def make_login(unix_socket: str, user: str, password: str, database: str) -> None:
    """Make the one user and the database, and give a password to ``root``, who has none at first."""
    import pymysql

    try:
        connection = pymysql.connect(user="root", unix_socket=unix_socket)
    except pymysql.OperationalError:
        return  # an engine that was started before
    with connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb4")
        cursor.execute("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s", (user, password))
        cursor.execute("GRANT ALL ON *.* TO %s@'%%' WITH GRANT OPTION", (user,))
        cursor.execute("ALTER USER root IDENTIFIED BY %s", (password,))


async def forward(unix_socket: str, port: int) -> None:
    """Carry bytes between a port and the engine's socket until SIGTERM; an end on one side ends the other."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_BLOCK):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # either side is gone, which ends the connection as its end does
        finally:
            writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_unix_connection(unix_socket)
        await asyncio.gather(carry(reader, engine_writer), carry(engine_reader, writer))

    await asyncio.start_server(connected, HOST, port)
    await stop.wait()


def main(folder: str, port: str, user: str, database: str) -> None:
    """Run until SIGTERM.

    :param folder: of the engine's data
    :param port: of 127.0.0.1
    """
    import pylibseekdb

    engine = pylibseekdb.open(folder)
    try:
        unix_socket = engine.connection_options()["unix_socket"]
        make_login(unix_socket, user, os.environ[PASSWORD_VARIABLE], database)
        asyncio.run(forward(unix_socket, int(port)))
    finally:
        engine.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
