"""What MariaDB, MySQL and OceanBase share: the driver. And what two of them share: settings."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import Any

from dev.services.process import ServerProcess
from dev.services.server import HOST, Server, is_root


class MySQLDriverServer(Server):
    """A server that ``mysqlclient`` talks to."""

    def connect(self, **options: Any) -> Any:
        import MySQLdb

        arguments = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "passwd": self.password,
            "db": self.database,
            "charset": "utf8mb4",
            "connect_timeout": 30,
        }
        return MySQLdb.connect(**{**arguments, **options})

    @property
    def airflow_uri(self) -> str:
        return f"{super().airflow_uri}?charset=utf8mb4"

    def _read_version(self) -> str:
        connection = self.connect()
        try:
            cursor = connection.cursor()
            cursor.execute("SELECT version()")
            return str(cursor.fetchone()[0]).split("-")[0]
        finally:
            connection.close()

    def _terminate(self, process: ServerProcess) -> None:
        process.stop()


class MySQLProtocolServer(MySQLDriverServer):
    """MariaDB or MySQL, with one user who may do everything, and no other."""

    conn_type = "mysql"

    @abc.abstractmethod
    def _command(self) -> list[str | Path]:
        """Return the server's program, with the arguments that only this one needs."""

    def _launch(self) -> ServerProcess:
        first_statements = self.folder / "first.sql"
        first_statements.write_text(
            f"CREATE DATABASE IF NOT EXISTS `{self.database}` CHARACTER SET utf8mb4;\n"
            f"CREATE USER IF NOT EXISTS '{self.user}'@'%' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON *.* TO '{self.user}'@'%' WITH GRANT OPTION;\n"
            "DROP USER IF EXISTS 'root'@'localhost';\n",
            encoding="ascii",
        )
        return ServerProcess(
            [
                *self._command(),
                f"--datadir={self.folder / 'data'}",
                f"--init-file={first_statements}",
                f"--bind-address={HOST}",
                f"--port={self.port}",
                f"--socket={self.folder / 'socket'}",
                f"--pid-file={self.folder / 'pid'}",
                f"--secure-file-priv={self.folder}",
                "--character-set-server=utf8mb4",
                "--skip-name-resolve",
                "--skip-log-bin",
                "--performance-schema=OFF",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-doublewrite=0",
                "--innodb-buffer-pool-size=64M",
                "--max-connections=60",
            ],
            log=self.log,
        )


def run_as() -> list[str]:
    """Return the argument with which these servers agree to run as root, when called as root."""
    return ["--user=root"] if is_root() else []
