"""MariaDB as Debian packages it."""

from __future__ import annotations

from pathlib import Path

from dev.services.mysql_protocol import MySQLProtocolServer, run_as
from dev.services.process import run
from dev.services.server import ServerUnavailable, find_program

INSTALL = "MariaDB is not installed: apt-get install mariadb-server"


class MariaDBServer(MySQLProtocolServer):
    """MariaDB with every wait for the disk off."""

    kind = "mariadb"

    def _prepare(self) -> None:
        program = find_program("mariadbd")
        installer = find_program("mariadb-install-db")
        if program is None or installer is None:
            raise ServerUnavailable(INSTALL)
        self._program = program
        run(
            [
                installer,
                "--no-defaults",
                *run_as(),
                f"--datadir={self.folder / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ]
        )

    def _command(self) -> list[str | Path]:
        return [self._program, "--no-defaults", *run_as()]
