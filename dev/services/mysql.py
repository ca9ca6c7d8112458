"""MySQL: bookworm has none, so Debian sid's server runs from a private folder, with its own libraries."""

from __future__ import annotations

from pathlib import Path

from dev.services.mysql_protocol import MySQLProtocolServer, run_as
from dev.services.process import run
from dev.services.sid import SidPackage

PACKAGE = SidPackage(name="mysql-server-core", program=Path("usr/sbin/mysqld"))


class MySQLServer(MySQLProtocolServer):
    """MySQL with every wait for the disk off; the first start on a machine downloads about 60 MB."""

    kind = "mysql"

    def _prepare(self) -> None:
        self._prefix = PACKAGE.fetch()
        run([*self._command(), f"--datadir={self.folder / 'data'}", "--initialize-insecure"])

    def _command(self) -> list[str | Path]:
        share = self._prefix / "usr/share/mysql"
        return [
            *PACKAGE.command(self._prefix),
            "--no-defaults",
            *run_as(),
            f"--basedir={self._prefix / 'usr'}",
            f"--lc-messages-dir={share}",
            f"--character-sets-dir={share / 'charsets'}",
            "--mysqlx=OFF",
        ]
