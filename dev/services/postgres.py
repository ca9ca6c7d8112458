"""PostgreSQL as Debian packages it."""

from __future__ import annotations

import pwd
import shutil
import signal
from pathlib import Path
from typing import Any

from dev.services.process import ServerProcess, run
from dev.services.server import HOST, Server, ServerUnavailable, find_program, is_root

DEBIAN_FOLDER = Path("/usr/lib/postgresql")
ACCOUNTS = ("postgres", "nobody")
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "150",
}


def find_binaries() -> Path:
    """Find the folder of ``initdb`` and ``postgres``.

    :return: that of Debian's newest version, else that of the search path
    :raises ServerUnavailable: there is none
    """
    versions = [folder for folder in DEBIAN_FOLDER.glob("*/bin") if (folder / "initdb").is_file()]
    if versions:
        return max(versions, key=lambda folder: float(folder.parent.name))
    program = find_program("initdb")
    if program is None:
        raise ServerUnavailable("PostgreSQL is not installed: apt-get install postgresql")
    return program.parent


def unprivileged_account() -> str | None:
    """Choose who runs the server: PostgreSQL refuses to run as root.

    :return: a system user when called as root, else None
    :raises ServerUnavailable: there is no such user
    """
    if not is_root():
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for account in ACCOUNTS:
        if account in known:
            return account
    raise ServerUnavailable(
        f"PostgreSQL does not run as root, and none of {', '.join(ACCOUNTS)} is a user here"
    )


class PostgresServer(Server):
    """PostgreSQL with one superuser, password login and every wait for the disk off."""

    kind = "postgres"
    conn_type = "postgres"

    def connect(self, **options: Any) -> Any:
        import psycopg

        arguments = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "dbname": self.database,
            "connect_timeout": 30,
        }
        return psycopg.connect(**{**arguments, **options})

    def _prepare(self) -> None:
        self._binaries = find_binaries()
        self._account = unprivileged_account()
        password_file = self.folder / "password"
        password_file.write_text(self.password, encoding="utf-8")
        if self._account is not None:
            group = pwd.getpwnam(self._account).pw_gid
            for path in (self.folder, password_file):
                shutil.chown(path, self._account, group)
        run(
            [
                self._binaries / "initdb",
                *("-D", self.folder / "data"),
                *("-U", self.user),
                *("-A", "scram-sha-256"),
                f"--pwfile={password_file}",
                *("-E", "UTF8"),
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            account=self._account,
        )
        password_file.unlink()

    def _launch(self) -> ServerProcess:
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        return ServerProcess(
            [self._binaries / "postgres", "-D", self.folder / "data", "-p", str(self.port), *settings],
            log=self.log,
            account=self._account,
            death_signal=signal.SIGQUIT,
        )

    def _read_version(self) -> str:
        with self.connect(dbname="postgres", autocommit=True) as connection:
            if not connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (self.database,)
            ).fetchone():
                connection.execute(f'CREATE DATABASE "{self.database}"')
            row = connection.execute("SHOW server_version").fetchone()
        return str(row[0]).split()[0]

    def _terminate(self, process: ServerProcess) -> None:
        process.stop(signal.SIGINT)
