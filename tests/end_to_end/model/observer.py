"""Looks at the runs of all cases at once: Airflow's database, and the one in which nodes work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from tests.end_to_end.airflow_instance import AirflowInstance
from tests.end_to_end.behaviour.instance import callback_counts
from tests.end_to_end.model.ledger import Ledger
from tests.end_to_end.model.trace import HELPER_PREFIX, NodeTrace, RunTrace

_RUNS = """
SELECT dag_id, run_id, state, conf, extract(epoch FROM end_date)::float FROM dag_run
WHERE dag_id = ANY(%s) ORDER BY id
"""
_TASKS = """
SELECT dag_id, run_id, task_id, state, try_number, extract(epoch FROM end_date)::float, pid,
    extract(epoch FROM clock_timestamp())::float
FROM task_instance WHERE dag_id = ANY(%s)
"""
_KNOWN = """
SELECT count(DISTINCT dag.dag_id) FROM dag JOIN serialized_dag USING (dag_id)
WHERE NOT dag.is_stale AND NOT dag.is_paused AND dag.dag_id = ANY(%s)
"""
_TIME_PASSES = """
UPDATE task_instance SET end_date = end_date - interval '2 days'
WHERE dag_id = %s AND run_id = %s AND task_id = %s AND state = 'up_for_retry'
"""


class Observer:
    """Keeps the traces of the runs that it looks at.

    :param airflow: made by :func:`tests.end_to_end.behaviour.instance.behaviour_instance`
    :param ledger: of the nodes' work
    """

    def __init__(self, airflow: AirflowInstance, ledger: Ledger) -> None:
        self._airflow = airflow
        self._ledger = ledger
        self._connection: Any = airflow.server.connect(dbname=airflow.database, autocommit=True)
        self._runs: dict[str, dict[str, RunTrace]] = defaultdict(dict)

    def look(self, flows: Iterable[str]) -> None:
        """Bring the traces of these flows' runs up to date."""
        names = list(flows)
        for flow, run_id, task, state, tries, ended, pid, now in self._connection.execute(_TASKS, (names,)):
            run = self._runs[flow].setdefault(run_id, RunTrace(run_id))
            if task.startswith(HELPER_PREFIX):
                continue
            node = run.nodes.setdefault(task, NodeTrace())
            node.state, node.tries, node.ended, node.pid = state, tries, ended, pid
            if node.is_over and node.seen_ended is None:
                node.seen_ended = now
            if not node.is_over:
                node.seen_ended = None
        for flow, run_id, state, conf, ended in self._connection.execute(_RUNS, (names,)):
            run = self._runs[flow].setdefault(run_id, RunTrace(run_id))
            run.state, run.conf, run.ended = state, conf or {}, ended
        self._read_ledger(names)
        counts = callback_counts(self._airflow)
        for flow in names:
            for run in self._runs[flow].values():
                run.callbacks = {
                    kind: counts.get((flow, run.run_id, kind), 0) for kind in ("success", "failure")
                }

    def _read_ledger(self, flows: list[str]) -> None:
        for flow in flows:
            for run in self._runs[flow].values():
                for node in run.nodes.values():
                    node.began.clear()
                    node.finished.clear()
        for flow, run_id, node_id, what, at in self._ledger.rows(flows):
            if (found := self._runs[flow].get(run_id)) is not None and node_id in found.nodes:
                node = found.nodes[node_id]
                (node.began if what == "begin" else node.finished).append(at)

    def knows(self, flows: Collection[str]) -> bool:
        """Return whether Airflow could start a run of each of these flows."""
        return bool(self._connection.execute(_KNOWN, (list(flows),)).fetchone()[0] == len(flows))

    def run(self, flow: str, run_id: str) -> RunTrace:
        """Return the trace of a run."""
        return self._runs[flow].setdefault(run_id, RunTrace(run_id))

    def let_time_pass(self, flow: str, run_id: str, node: str) -> bool:
        """Let a node's retry be due.

        :return: whether it was between two tries
        """
        return bool(self._connection.execute(_TIME_PASSES, (flow, run_id, node)).rowcount)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()
