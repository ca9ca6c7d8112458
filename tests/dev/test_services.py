"""The servers that other tests lean on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dev.services import MariaDBServer, PostgresServer, Server, ServerUnavailable
from dev.services.apt_sources import AptSource
from dev.services.process import ServerProcess, ServerProcessError
from dev.services.sid import SidPackage

CHECKOUT = Path(__file__).resolve().parents[2]


def query(server: Server, sql: str, **options: Any) -> Any:
    connection = server.connect(**options)
    try:
        cursor = connection.cursor()
        cursor.execute(sql)
        return cursor.fetchone()[0]
    finally:
        connection.close()


def gone(pid: int, *, within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_server_speaks_every_character(sql_server: Server) -> None:
    assert query(sql_server, "SELECT 'ä 航班 😀'") == "ä 航班 😀"


def test_a_server_listens_on_loopback_only(sql_server: Server) -> None:
    listening = [
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].split(":")[1], 16) == sql_server.port
    ]
    assert listening == [f"0100007F:{sql_server.port:04X}"]


def test_a_wrong_password_is_refused(sql_server: Server) -> None:
    option = "password" if sql_server.conn_type == "postgres" else "passwd"
    with pytest.raises(Exception, match=r"(?i)password|denied"):
        sql_server.connect(**{option: "wrong"})


def test_airflow_reads_the_uri(sql_server: Server) -> None:
    from airflow.sdk import Connection

    connection = Connection.from_uri(sql_server.airflow_uri, conn_id="x")
    assert (connection.conn_type, connection.host, connection.port, connection.login, connection.schema) == (
        sql_server.conn_type,
        "127.0.0.1",
        sql_server.port,
        sql_server.user,
        sql_server.database,
    )
    assert connection.password == sql_server.password


@pytest.mark.parametrize("kind", [PostgresServer, MariaDBServer])
def test_stop_ends_sessions_and_removes_the_folder(kind: type[Server]) -> None:
    with kind() as server:
        pid, folder = server.pid, server.folder
        server.connect()
        assert query(server, "SELECT 1") == 1
    assert gone(pid, within=0.1)
    assert not folder.exists()


def test_a_given_folder_stays(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("mariadb")
    with MariaDBServer(folder):
        pass
    assert (folder / "data").is_dir()


@pytest.mark.parametrize("kind", ["PostgresServer", "MariaDBServer", "OceanBaseServer"])
def test_a_server_dies_with_a_killed_parent(kind: str) -> None:
    if kind == "OceanBaseServer":
        pytest.importorskip("pylibseekdb", reason="OceanBase's engine is not installed")
    program = (
        "import time\n"
        f"from dev.services import {kind}\n"
        f"server = {kind}().start()\n"
        "print(server.pid, server.folder, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        parent.send_signal(signal.SIGKILL)
    assert gone(int(pid))
    subprocess.run(["rm", "-rf", folder], check=True)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    process = ServerProcess(["sh", "-c", "echo no room; exit 3"], log=tmp_path / "log")
    with pytest.raises(ServerProcessError, match=r"status 3\nno room"):
        process.wait_until(lambda: False, timeout=60)


def test_a_silent_server_is_given_up(tmp_path: Path) -> None:
    process = ServerProcess(["sleep", "60"], log=tmp_path / "log")
    with pytest.raises(ServerProcessError, match=r"did not answer within 0\.2 s"):
        process.wait_until(lambda: False, timeout=0.2)
    process.stop()
    assert not process.running


def test_stop_kills_the_whole_group(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = ServerProcess(["sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait; wait"], log=log)
    process.wait_until(lambda: log.read_text().strip() != "", timeout=60)
    child = int(log.read_text())
    process.stop(timeout=0.2)
    assert gone(child)


def test_a_package_that_sid_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_archive = tmp_path / "archive"
    empty_archive.mkdir()
    source = AptSource(f"file:{empty_archive}", "bookworm")
    monkeypatch.setattr("dev.services.sid.machine_source", lambda: source)
    with pytest.raises(ServerUnavailable, match="cannot be had"):
        SidPackage(name="nothing", program=Path("bin/nothing")).fetch(tmp_path / "cache")
    assert not (tmp_path / "cache/nothing").exists()
