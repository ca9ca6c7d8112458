"""OceanBase in MySQL mode: the engine that PyPI's ``pylibseekdb`` carries."""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec
from pathlib import Path

from dev.services.mysql_protocol import MySQLDriverServer
from dev.services.oceanbase_engine import PASSWORD_VARIABLE
from dev.services.process import ServerProcess
from dev.services.server import ServerUnavailable

ENGINE = Path(__file__).with_name("oceanbase_engine.py")
INSTALL = "OceanBase's engine is not installed: pip install pylibseekdb (Python 3.11 or newer, glibc 2.28)"


class OceanBaseServer(MySQLDriverServer):
    """OceanBase with one user who may do everything. It has tenants, users and limits of its own defaults."""

    kind = "oceanbase"
    conn_type = "oceanbase"

    def _prepare(self) -> None:
        if find_spec("pylibseekdb") is None:
            raise ServerUnavailable(INSTALL)

    def _launch(self) -> ServerProcess:
        return ServerProcess(
            [sys.executable, ENGINE, self.folder / "data", str(self.port), self.user, self.database],
            log=self.log,
            # The engine is a child of this process, which must live long enough to end it.
            death_signal=signal.SIGTERM,
            environment={PASSWORD_VARIABLE: self.password},
        )

    def _read_version(self) -> str:
        connection = self.connect()
        try:
            cursor = connection.cursor()
            cursor.execute("SELECT @@version_comment")
            return str(cursor.fetchone()[0]).split()[1]
        finally:
            connection.close()
