"""The result of a query in object storage: whole, or not at all."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from dms_provider.hooks import oss
from dms_provider.hooks.oss import OSSError
from dms_provider.hooks.oss_address import WrongAddress
from dms_provider.operators.base import MisplacedData, SpecText
from dms_provider.operators.sql import StatementFailed
from dms_provider.operators.unload import UPLOADS_KEY, UnloadOperator
from dms_provider.sessions.session import Session
from dms_provider.sessions.source import SourceError
from dms_provider.unload import object as unloaded
from dms_provider.variables.scope import FlowScope
from dms_provider.variables.values import Data
from tests.dms_provider.databases import Database, wait_until
from tests.dms_provider.operators import unload_process
from tests.dms_provider.operators.running import Outcome, run
from tests.dms_provider.operators.test_dry_run import dry_run
from tests.dms_provider.operators.unload_process import StateStore
from tests.doubles.oss import Fault, ObjectStorage

ROWS = 60_000
MANY = f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) SELECT i FROM n"
WHOLE = "i\r\n" + "".join(f"{number}\r\n" for number in range(1, ROWS + 1))
FAILS_AT_THE_END = (
    f"SELECT CASE WHEN i < {ROWS} THEN i ELSE abs(-9223372036854775807 - 1) END AS i FROM ({MANY})"
)
OLD = "what lay there\r\n"
STOPPED = ("SessionStopped: stopped: ", "OSSStopped: stopped: ")

sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStorage]:
    """An object storage, as the connection ``archive``; parts are small, and attempts follow at once."""
    monkeypatch.setattr(oss, "RETRY_WAITS", (0.01, 0.01))
    monkeypatch.setattr(unloaded, "PART_BYTES", 1 << 17)
    with ObjectStorage() as running:
        monkeypatch.setenv("AIRFLOW_CONN_ARCHIVE", json.dumps(running.connection()))
        running.store("report.csv", OLD.encode())
        yield running


def node(sql: str, to: str = "oss://archive/bucket/report.csv", **arguments: Any) -> UnloadOperator:
    return UnloadOperator(
        task_id="unload",
        **{"conn_id": "source", "owner": "alice", "sql": SpecText(sql), "to": SpecText(to), **arguments},
    )


def unload(sql: str, *further: str, given: dict[str, dict[str, Data]] | None = None, **more: Any) -> Outcome:
    return run(node(sql, *further, **more), given)


VALUES = {
    "postgres": "SELECT 1.50::numeric AS n, timestamptz '2023-08-03 01:02:03.5+00' AT TIME ZONE 'UTC' AS t,"
    " date '2023-08-03' AS d, '\\x00ff'::bytea AS b, NULL::text AS x, '' AS e, 'a,\"b\"' AS q",
    "sqlite": "SELECT '1.50' AS n, '2023-08-03 01:02:03.500000' AS t, '2023-08-03' AS d, x'00ff' AS b,"
    " NULL AS x, '' AS e, 'a,\"b\"' AS q",
    "mysql": "SELECT CAST(1.5 AS DECIMAL(9,2)) AS n, CAST('2023-08-03 01:02:03.5' AS DATETIME(6)) AS t,"
    " CAST('2023-08-03' AS DATE) AS d, x'00ff' AS b, NULL AS x, '' AS e, 'a,\"b\"' AS q",
}


def test_values_of_each_database(database: Database, storage: ObjectStorage) -> None:
    unload(VALUES.get(database.kind, VALUES["mysql"]))
    assert storage.text("report.csv") == (
        'n,t,d,b,x,e,q\r\n1.50,2023-08-03 01:02:03.500000,2023-08-03,00ff,,"","a,""b"""\r\n'
    )
    assert storage.buckets["bucket"]["report.csv"].content_type.startswith("text/csv; charset=utf-8")


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_times_that_python_has_none_for(database: Database, storage: ObjectStorage) -> None:
    values = (
        "date 'infinity'",
        "date '0044-03-15 BC'",
        "time '24:00'",
        "timestamp '-infinity'",
        "timestamptz '10000-01-01 00:00+00' AT TIME ZONE 'UTC'",
        "interval '1 year -1 mon 2 days 03:04'",
        "ARRAY[date 'infinity', date '2023-08-03']",
        "date '2023-08-03'",
        "interval '-838:59:59.5'",
    )
    unload(f"SELECT {', '.join(values)}")
    assert storage.text("report.csv").splitlines()[1] == (
        "infinity,0044-03-15 BC,24:00:00,-infinity,10000-01-01 00:00:00,11 mons 2 days 03:04:00,"
        '"[""infinity"", ""2023-08-03""]",2023-08-03,-838:59:59.500000'
    )


def test_rows_of_a_server_are_sent_in_parts(database: Database, storage: ObjectStorage) -> None:
    # MySQL's limit of recursion is a setting, so that the rows come from a product there.
    tens = " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10))
    digits = ", ".join(f"({tens}) AS {name}" for name in "abcde")
    outcome = unload(f"SELECT a.d * 10000 + b.d * 1000 + c.d * 100 + d.d * 10 + e.d AS i FROM {digits}")
    written = storage.text("report.csv").splitlines()
    assert written[0] == "i"
    assert sorted(map(int, written[1:])) == list(range(100_000))
    assert storage.counts["part"] > 2
    assert ": 100000 rows, 688893 bytes, " in outcome.log[-1]


@pytest.mark.parametrize("database", ["mariadb", "mysql", "oceanbase"], indirect=True)
def test_rows_may_wait_for_as_long_as_a_request_is_tried(database: Database) -> None:
    longest = sum(oss.RETRY_WAITS) + (1 + len(oss.RETRY_WAITS)) * (oss.CONNECT_SECONDS + oss.READ_SECONDS)
    with Session(database.source()) as session:
        assert int(session.first_row("SELECT @@net_write_timeout")[0]) > longest


@sqlite
@pytest.mark.parametrize(
    ("sql", "content", "requests"),
    [
        ("SELECT 1 AS a WHERE 1 = 0", "a\r\n", {"put": 1, "head": 1}),
        ('SELECT 1 AS a, 2 AS "b,c"', 'a,"b,c"\r\n1,2\r\n', {"put": 1, "head": 1}),
        (MANY, WHOLE, {"begin": 1, "part": 4, "complete": 1, "head": 1}),
    ],
    ids=["nothing", "little", "much"],
)
def test_what_is_written_by_which_requests(
    database: Database, storage: ObjectStorage, sql: str, content: str, requests: dict[str, int]
) -> None:
    unload(sql)
    assert storage.text("report.csv") == content
    assert storage.counts == requests
    assert storage.uploads == {}


@sqlite
def test_the_key_has_variables_of_the_author(database: Database, storage: ObjectStorage) -> None:
    outcome = unload(
        "SELECT '${late}' AS late",
        "oss://${where}/bucket/${region}/${month}/${bizdate}.csv",
        scope=FlowScope(constants={"region": "东 1", "where": "archive"}),
        variables={"month": "yyyyMM"},
        inputs={"late": "count"},
        given={"count": {"late": Data(("it's",))}},
    )
    assert storage.text("东 1/202308/2023-08-03.csv") == "late\r\nit's\r\n"
    assert outcome.rendered["to"] == "oss://archive/bucket/东 1/202308/2023-08-03.csv"


@sqlite
@pytest.mark.parametrize(
    "fault",
    [
        Fault("begin", cut="before"),
        Fault("part", 2, status=503, code="ServiceUnavailable"),
        Fault("part", cut="before"),
        Fault("part", cut="after"),
        Fault("complete", status=500),
        Fault("complete", cut="after"),
        Fault("head", status=502),
    ],
    ids=repr,
)
def test_one_failed_request_changes_nothing(database: Database, storage: ObjectStorage, fault: Fault) -> None:
    storage.faults.append(fault)
    unload(MANY)
    assert fault.times == 0
    assert storage.text("report.csv") == WHOLE
    assert storage.uploads == {}


@sqlite
@pytest.mark.parametrize("operation", ["begin", "part", "complete"])
def test_a_refusal_leaves_what_was_there(
    database: Database, storage: ObjectStorage, operation: str, tmp_path: Path
) -> None:
    storage.faults.append(Fault(operation, status=403, code="AccessDenied"))
    with pytest.raises(OSSError, match=r"oss://archive/bucket/report\.csv: OSS answered 403 AccessDenied"):
        unload(MANY)
    assert storage.text("report.csv") == OLD
    assert storage.uploads == {}


@sqlite
def test_a_query_that_fails_at_its_end_leaves_what_was_there(
    database: Database, storage: ObjectStorage
) -> None:
    with pytest.raises(StatementFailed, match=r"^The query \(line 1\) failed on source: integer overflow"):
        unload(FAILS_AT_THE_END)
    assert storage.counts["part"] > 0
    assert storage.text("report.csv") == OLD
    assert storage.uploads == {}


@sqlite
def test_an_object_that_is_not_what_was_written_fails_the_node(
    database: Database, storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = storage.complete

    def and_another_comes(*arguments: Any) -> Any:
        made = complete(*arguments)
        storage.store("report.csv", OLD.encode())
        return made

    monkeypatch.setattr(storage, "complete", and_another_comes)
    with pytest.raises(OSSError, match=f"has 16 bytes, but {len(WHOLE)} were written; does something else"):
        unload(MANY)


@sqlite
@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"sql": "DELETE FROM t"}, StatementFailed, "an unload takes one SELECT that changes nothing"),
        ({"sql": "SELECT 1; SELECT 2"}, StatementFailed, "this holds more than one statement"),
        (
            {"to": "oss://archive/bucket/${late}.csv"},
            MisplacedData,
            "to: no data may stand in it, so .{late}",
        ),
        (
            {"to": "oss://archive/bucket/${run_id}"},
            MisplacedData,
            "to: no data may stand in it, so .{run_id}",
        ),
        ({"to": "oss://archive/${empty}/x"}, WrongAddress, "is no address of an object"),
        ({"owner": "mallory"}, SourceError, "archive may not be used by flows of mallory"),
        ({"to": "oss://nowhere/bucket/x"}, SourceError, "connection nowhere does not exist"),
    ],
)
def test_what_is_refused(
    database: Database,
    storage: ObjectStorage,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, Any],
    error: type[Exception],
    says: str,
) -> None:
    connection = storage.connection(allowed_owners=["alice"])
    monkeypatch.setenv("AIRFLOW_CONN_ARCHIVE", json.dumps(connection))
    given = {
        "sql": "SELECT 1",
        "inputs": {"late": "count"},
        "scope": FlowScope(constants={"empty": ""}),
        **arguments,
    }
    with pytest.raises(error, match=says):
        unload(**given)
    assert not storage.counts


@sqlite
def test_a_dry_run_shows_both_ends(database: Database, storage: ObjectStorage) -> None:
    assert dry_run(node("SELECT '${bizdate}'", "oss://archive/bucket/${bizdate}.csv")) == [
        "Statement 1 (line 1) for source: SELECT '2023-08-03'",
        "The result would become oss://archive/bucket/2023-08-03.csv (csv)",
    ]
    assert not storage.counts


Starter = Callable[..., AbstractContextManager[BaseProcess]]


@pytest.fixture
def process(database: Database, storage: ObjectStorage, tmp_path: Path) -> Starter:
    """Runs an unload in a process of its own."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(
        [unload_process.__name__, "oss2", "airflow.providers.sqlite.hooks.sqlite"]
    )
    connections = {
        "AIRFLOW_CONN_SOURCE": database.uri,
        "AIRFLOW_CONN_ARCHIVE": json.dumps(storage.connection()),
    }

    @contextmanager
    def start(sql: str, timeout: float | None = None) -> Iterator[BaseProcess]:
        started = processes.Process(
            target=unload_process.unload, args=(sql, connections, timeout, tmp_path), daemon=True
        )
        started.start()
        try:
            yield started
        finally:
            started.kill()
            started.join()

    return start


def answer(process: BaseProcess, folder: Path) -> str:
    process.join(120)
    assert process.exitcode == 1
    return (folder / "answer").read_text(encoding="utf-8")


@sqlite
@pytest.mark.parametrize("operation", ["begin", "part", "complete"])
def test_a_node_that_is_told_to_stop_while_object_storage_hangs(
    database: Database, storage: ObjectStorage, process: Starter, tmp_path: Path, operation: str
) -> None:
    with storage.hanging(operation), process(MANY) as running:
        wait_until(lambda: storage.counts[operation] > 0, f"the request {operation}")
        running.terminate()
        assert answer(running, tmp_path).startswith(STOPPED)
        assert storage.uploads == {}
        assert storage.text("report.csv") == OLD


@pytest.mark.parametrize("database", ["postgres", "mariadb"], indirect=True)
def test_a_node_that_is_told_to_stop_while_rows_come(
    database: Database, storage: ObjectStorage, process: Starter, tmp_path: Path
) -> None:
    with process(database.endless) as running:
        wait_until(lambda: storage.counts["part"] > 2, "parts of the object")
        running.terminate()
        assert answer(running, tmp_path).startswith(STOPPED)
        database.wait_for_silence()
        assert storage.text("report.csv") == OLD


@sqlite
def test_a_node_that_runs_out_of_time_while_object_storage_hangs(
    database: Database, storage: ObjectStorage, process: Starter, tmp_path: Path
) -> None:
    for limit in (3, 12, 48):
        with storage.hanging("part"), process(MANY, timeout=limit) as running:
            assert "Timeout" in answer(running, tmp_path)
            assert storage.uploads == {}
            assert storage.text("report.csv") == OLD
        if storage.counts["part"]:
            return
    pytest.fail("no part was sent in time")


@sqlite
def test_what_a_process_that_died_has_sent_is_thrown_away_by_the_next_try(
    database: Database, storage: ObjectStorage, process: Starter, tmp_path: Path
) -> None:
    with storage.hanging("part"), process(MANY) as running:
        wait_until(lambda: storage.counts["part"] > 0, "the first part")
        running.kill()
        running.join()
    assert storage.text("report.csv") == OLD
    of_another = storage.begin("bucket", "report.csv", "")
    assert len(storage.uploads) == 2
    with process(MANY) as running:
        running.join(120)
        assert running.exitcode == 0
    assert list(storage.uploads) == [of_another]
    assert storage.text("report.csv") == WHOLE
    assert StateStore(tmp_path / "state").get(UPLOADS_KEY) is None
