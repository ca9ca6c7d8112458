"""How the runs of a flow stand, asked of Airflow's API once for all nodes of a process that want to know."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from urllib.parse import quote
from weakref import WeakKeyDictionary

from dms_provider.dependencies.runs import NotedRuns, variable_key
from dms_provider.dependencies.verdict import Found

_RUNS_A_QUESTION = 100
_ADDRESS_BYTES = 4_000
"""So much of an address may run ids take: proxies refuse more than 8 KB, and an id has up to 250."""
_OF_A_NODE: Mapping[str, Found] = {
    "success": "done",
    "failed": "failed",
    "upstream_failed": "not run",
    "skipped": "not run",
}
"""State of a task instance -> what that means to those who wait for it; in any other it has yet to end."""


class RunsAreNotNoted(LookupError):
    """The scheduler has not noted the runs of a flow. The message says what to do."""


class FlowRuns:
    """The runs of one flow, as the scheduler has noted them, and their states, at most some seconds old.

    Threads may share it. What several of them want is asked for together.

    :param flow: id of the flow
    """

    _of_flows: dict[str, FlowRuns] = {}  # noqa: RUF012 - shared by all nodes of this process

    def __init__(self, flow: str) -> None:
        self._flow = flow
        self._lock = threading.Lock()
        self._noted: NotedRuns | None = None
        self._noted_at = float("-inf")
        self._wanted: WeakKeyDictionary[object, tuple[str | None, frozenset[str]]] = WeakKeyDictionary()
        self._found: dict[tuple[str | None, str], tuple[float, Found | None]] = {}

    @classmethod
    def of(cls, flow: str) -> FlowRuns:
        """Return what is shared by all nodes that wait for a flow."""
        return cls._of_flows.setdefault(flow, cls(flow))

    def noted(self, max_age: float) -> NotedRuns:
        """Return which runs there are.

        :param max_age: in seconds, of what was asked for another node
        :raises RunsAreNotNoted: nobody knows
        """
        from airflow.sdk import Variable

        with self._lock:
            if self._noted is None or time.monotonic() - self._noted_at > max_age:
                self._noted = None
                key = variable_key(self._flow)
                text = Variable.get(key, default=None)
                if text is None:
                    raise RunsAreNotNoted(
                        f"the Airflow Variable {key}, in which the scheduler notes the runs of {self._flow},"
                        " is not there: the plugin dms is not loaded in the scheduler (see `airflow"
                        " plugins`), the run was not started by a scheduler, or somebody deleted it. Rerun"
                    )
                try:
                    self._noted = NotedRuns.from_text(str(text))
                except ValueError as error:
                    raise RunsAreNotNoted(
                        f"the Airflow Variable {key} does not hold runs of {self._flow} ({error}): somebody"
                        " changed it, or another version of airflow-provider-dms wrote it. Rerun it"
                    ) from None
                self._noted_at = time.monotonic()
            return self._noted

    def states(
        self, asking: object, node: str | None, run_ids: Collection[str], max_age: float
    ) -> dict[str, Found]:
        """Return what has become of some runs, or of a node of theirs.

        :param asking: who wants to know; its runs are asked for along with those of others while it lives
        :param node: of the flow; ``None`` for whole runs
        :param max_age: in seconds, of what was asked for another node
        :return: run id -> state; a run that is gone, or has no such node, is not in it
        """
        wanted = frozenset(run_ids)
        with self._lock:
            self._wanted[asking] = (node, wanted)
            oldest = time.monotonic() - max_age
            if not all(self._is_known(node, run_id, oldest) for run_id in wanted):
                together = {
                    run_id
                    for of_node, of_asking in self._wanted.values()
                    if of_node == node
                    for run_id in of_asking
                    if not self._is_known(node, run_id, oldest)
                }
                found = (
                    _of_runs(self._flow, together) if node is None else _of_node(self._flow, node, together)
                )
                now = time.monotonic()
                self._found = {key: known for key, known in self._found.items() if known[0] >= oldest}
                self._found.update(((node, run_id), (now, found.get(run_id))) for run_id in together)
            states = ((run_id, self._found[node, run_id][1]) for run_id in wanted)
            return {run_id: state for run_id, state in states if state is not None}

    def _is_known(self, node: str | None, run_id: str, oldest: float) -> bool:
        known = self._found.get((node, run_id))
        return known is not None and known[0] >= oldest


def _questions(run_ids: Iterable[str]) -> Iterator[list[str]]:
    """Yield the runs that one question asks for: Airflow's client writes their ids into its address."""
    some: list[str] = []
    length = 0
    for run_id in run_ids:
        more = len(f"&run_ids={quote(run_id, safe='')}")
        if some and (len(some) == _RUNS_A_QUESTION or length + more > _ADDRESS_BYTES):
            yield some
            some, length = [], 0
        some.append(run_id)
        length += more
    if some:
        yield some


def _of_runs(flow: str, run_ids: Collection[str]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    left = sorted(run_ids)
    kinds: tuple[tuple[Found, list[str]], ...] = (
        ("done", ["success"]),
        ("running", ["queued", "running"]),
        ("failed", ["failed"]),
    )
    for word, states in kinds:
        of_kind = _in_states(flow, left, states)
        found.update(dict.fromkeys(of_kind, word))
        left = [run_id for run_id in left if run_id not in of_kind]
    return found


def _in_states(flow: str, run_ids: list[str], states: list[str]) -> set[str]:
    """Return those of some runs that are in one of some states; the API counts, so it is asked by halves."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    found: set[str] = set()
    ahead = list(_questions(run_ids))
    while ahead:
        some = ahead.pop()
        count = RuntimeTaskInstance.get_dr_count(dag_id=flow, run_ids=some, states=states)
        if count == len(some):
            found.update(some)
        elif count:
            middle = len(some) // 2
            ahead += [some[:middle], some[middle:]]
    return found


def _of_node(flow: str, node: str, run_ids: Collection[str]) -> dict[str, Found]:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    found: dict[str, Found] = {}
    for some in _questions(sorted(run_ids)):
        states = RuntimeTaskInstance.get_task_states(dag_id=flow, run_ids=some, task_ids=[node])
        for run_id, of_run in states.items():
            if node in of_run and str(of_run[node]) != "removed":
                found[run_id] = _OF_A_NODE.get(str(of_run[node]), "running")
    return found
