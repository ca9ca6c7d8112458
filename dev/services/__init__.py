"""Real database servers for tests: each started in a folder of its own, on a free port of 127.0.0.1."""

from __future__ import annotations

from dev.services.mariadb import MariaDBServer
from dev.services.mysql import MySQLServer
from dev.services.oceanbase import OceanBaseServer
from dev.services.postgres import PostgresServer
from dev.services.server import Server, ServerUnavailable

__all__ = ["MariaDBServer", "MySQLServer", "OceanBaseServer", "PostgresServer", "Server", "ServerUnavailable"]
