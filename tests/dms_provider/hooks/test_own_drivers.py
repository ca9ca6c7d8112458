"""Hooks of sources with drivers of their own: what the real driver gets, and says without a server."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from airflow.sdk import Connection

from dms_provider.data_sources import DATA_SOURCES
from dms_provider.sessions.session import DatabaseError, Session
from dms_provider.sessions.source import SourceError, open_source
from tests.dms_provider.sessions import drivers
from tests.dms_provider.sessions.drivers import PASSWORD, Script

EXTRA = {"lock_free": "off", "statement_timeout": 60, "allowed_owners": ["airflow"]}
REFUSALS = {
    "oracle": ("oracledb", "DPY-6005"),
    "dm": ("dmPython", r"CODE:-70028"),
    "oceanbase_oracle": ("pyoceanbase", r"Can't connect.*\(error 2003\)"),
}


def record(conn_type: str, **more: Any) -> dict[str, Any]:
    """Return a connection as its form stores it; nothing listens on its port."""
    return {
        "conn_type": conn_type,
        "host": "127.0.0.1",
        "port": 1,
        "login": "scott",
        "password": PASSWORD,
        "schema": "shop",
        **more,
        "extra": {**EXTRA, **more.get("extra", {})},
    }


@pytest.mark.parametrize("conn_type", REFUSALS)
def test_the_driver_is_asked_and_its_error_may_pass(conn_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, said = REFUSALS[conn_type]
    pytest.importorskip(module)
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps(record(conn_type)))
    with (
        pytest.raises(DatabaseError, match=said) as failed,
        Session(open_source("source", owner="airflow", timeout=None)),
    ):
        pytest.fail("the session must not open")
    assert failed.value.may_pass
    assert str(failed.value).startswith("no session on source: ")
    assert PASSWORD not in str(failed.value)


@pytest.mark.parametrize("conn_type", ["dm", "oceanbase_oracle"])
def test_the_connection_can_be_tested(conn_type: str) -> None:
    pytest.importorskip(REFUSALS[conn_type][0])
    given = record(conn_type)
    works, message = Connection(
        conn_id="tested", **{**given, "extra": json.dumps(given["extra"])}
    ).test_connection()
    assert not works
    assert PASSWORD not in message


@pytest.mark.parametrize(
    ("conn_type", "known", "unknown"),
    [
        ("dm", {"login_timeout": 5, "app_name": "flows"}, {"no_such_setting": 1}),
        ("oceanbase_oracle", {"connect_timeout": 5, "ssl_disabled": True}, {"no_such_setting": 1}),
    ],
)
def test_extras_are_arguments_of_the_driver(
    conn_type: str, known: dict[str, Any], unknown: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(REFUSALS[conn_type][0])
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps(record(conn_type, extra=known)))
    with pytest.raises(DatabaseError), Session(open_source("source", owner="airflow", timeout=None)):
        pytest.fail("the session must not open")
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps(record(conn_type, extra=unknown)))
    with pytest.raises(TypeError, match="no_such_setting"):
        open_source("source", owner="airflow", timeout=None).hook.get_conn()


@pytest.mark.parametrize("conn_type", ["dm", "oceanbase_oracle"])
def test_a_driver_that_is_not_installed(conn_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, REFUSALS[conn_type][0], None)
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps(record(conn_type)))
    hook = open_source("source", owner="airflow", timeout=None).hook
    extra = DATA_SOURCES[conn_type].extra
    with pytest.raises(Exception, match=rf"pip install 'airflow-provider-dms\[{extra}\]'"):
        hook.get_conn()


DRIVERS = {
    "mysql": ["MySQLdb"],
    "ibmdb2": ["ibm_db_dbi"],
    "dm": ["dmPython"],
    "maxcompute": ["odps"],
}


@pytest.mark.parametrize("conn_type", DRIVERS)
def test_a_session_tells_which_extra_brings_the_driver(
    conn_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(DRIVERS[conn_type][0])
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps(record(conn_type)))
    source = open_source("source", owner="airflow", timeout=None)
    for module in DRIVERS[conn_type]:
        for loaded in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.setitem(sys.modules, module, None)
    extra = DATA_SOURCES[conn_type].extra
    with (
        pytest.raises(
            SourceError, match=rf"^connection source: .*pip install 'airflow-provider-dms\[{extra}\]'"
        ),
        Session(source),
    ):
        pytest.fail("the session must not open")


def test_db2_gets_its_settings_and_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ibm_db")
    db2 = drivers.Db2(Script())
    db2.put(monkeypatch)
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps(record("ibmdb2", extra={"security": "SSL"})))
    with Session(open_source("source", owner="airflow", timeout=None)) as session:
        assert session.execute("DELETE FROM t") == 3
    (text,) = db2.connected
    assert text.startswith("DATABASE=shop;HOSTNAME=127.0.0.1;PORT=1;PROTOCOL=TCPIP;UID=scott;PWD=")
    assert "SECURITY=SSL" in text
    assert not any(name.upper() in text.upper() for name in EXTRA)


def test_other_owners_are_refused_before_a_driver_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dmPython", None)
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE", json.dumps(record("dm")))
    with pytest.raises(SourceError, match="may not be used by flows of mallory"):
        open_source("source", owner="mallory", timeout=None)
