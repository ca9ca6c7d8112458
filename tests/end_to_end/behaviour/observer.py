"""What Airflow and the database server look like at one moment, for all scenarios at once.

States are read from Airflow's metadata database, in two queries for all runs: the same through the REST API
would keep the API server so busy that the workers, which need it too, would be late.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from dev.services import Server
from tests.end_to_end.behaviour.ledger import Ledger, Row

_RUNS = """
SELECT run.dag_id, run.run_id, run.run_type, run.state, run.conf, note.content,
    extract(epoch FROM coalesce(run.logical_date, run.run_after))::float AS date
FROM dag_run AS run LEFT JOIN dag_run_note AS note ON note.dag_run_id = run.id
WHERE run.dag_id = ANY(%s) ORDER BY date, run.id
"""
_TASKS = """
SELECT dag_id, run_id, task_id, state, try_number, pid, trigger_id,
    extract(epoch FROM end_date)::float
FROM task_instance WHERE dag_id = ANY(%s)
"""
_VERSIONS = "SELECT dag_id, max(version_number) FROM dag_version WHERE dag_id = ANY(%s) GROUP BY dag_id"
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
_UNDECIDED = """
CREATE OR REPLACE FUNCTION refuse_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the disk of the metadata database is full'; END $$;
CREATE TRIGGER "refuse_{flow}" BEFORE UPDATE OF conf ON dag_run FOR EACH ROW
WHEN (NEW.dag_id = '{flow}' AND NEW.conf::text LIKE '%"kind"%') EXECUTE FUNCTION refuse_decision();
"""


@dataclass(frozen=True)
class TaskLook:
    """A task instance at one moment."""

    state: str | None
    try_number: int
    pid: int | None
    trigger_id: int | None
    ended: float | None


@dataclass(frozen=True)
class RunLook:
    """A run at one moment."""

    run_id: str
    kind: str
    state: str
    conf: Mapping[str, Any] | None
    note: str | None
    tasks: Mapping[str, TaskLook] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """Everything at one moment.

    :param asked: when the first question was asked; what is done later is not in the answer
    :param runs: flow -> its runs, by date
    :param rows: what has come into the ledger since the last look
    :param at_work: flow, run id and node of the work that the server does
    :param versions: flow -> number of its newest version that Airflow knows
    :param deadlocks: how many there have been between parts of Airflow
    """

    asked: float
    runs: Mapping[str, list[RunLook]]
    rows: list[Row]
    at_work: set[tuple[str, str, str]]
    versions: Mapping[str, int]
    deadlocks: int


class Observer:
    """Looks at Airflow's database and at the one in which nodes work.

    :param server: the PostgreSQL of both
    :param database: Airflow's
    :param ledger: the other
    """

    def __init__(self, server: Server, database: str, ledger: Ledger) -> None:
        self._airflow: Any = server.connect(dbname=database, autocommit=True)
        self._ledger = ledger

    def look(self, flows: Collection[str]) -> Look:
        """Look at some flows."""
        asked = time.time()
        tasks: dict[tuple[str, str], dict[str, TaskLook]] = defaultdict(dict)
        for dag_id, run_id, task_id, *rest in self._airflow.execute(_TASKS, (list(flows),)):
            tasks[dag_id, run_id][task_id] = TaskLook(*rest)
        runs: dict[str, list[RunLook]] = defaultdict(list)
        for dag_id, run_id, kind, state, conf, note, _ in self._airflow.execute(_RUNS, (list(flows),)):
            runs[dag_id].append(RunLook(run_id, kind, state, conf, note, tasks[dag_id, run_id]))
        (deadlocks,) = self._airflow.execute(_DEADLOCKS).fetchone()
        rows, at_work = self._ledger.new_rows(), self._ledger.at_work()
        return Look(asked, runs, rows, at_work, self.versions(flows), deadlocks)

    def versions(self, flows: Collection[str]) -> dict[str, int]:
        """Return flow -> number of its newest version that Airflow knows."""
        return dict(self._airflow.execute(_VERSIONS, (list(flows),)).fetchall())

    def refuse_decisions(self, flow: str) -> None:
        """Let Airflow's database refuse each decision about a run of a flow."""
        self._airflow.execute(_UNDECIDED.format(flow=flow))

    def close(self) -> None:
        """End the connection."""
        self._airflow.close()
