"""A scenario: a flow whose nodes behave as told, a script of events, and what is expected.

Everything here is plain data; :mod:`tests.end_to_end.behaviour.run` does it on an Airflow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

ALWAYS: Literal["always"] = "always"
HELPER_PREFIX = "dms__"
NOT_BEGUN = frozenset({"skipped", "upstream_failed", "removed", "none"})
FINISHED = NOT_BEGUN - {"none"} | {"success", "failed"}


@dataclass(frozen=True)
class Moment:
    """Something that happens to a run or to one of its nodes.

    As text: ``run1 is running``, ``run1.a is failed``, ``run1.a begins``, ``run1.a begins again``,
    ``run1.a ends``, ``run1.a is gone``. A run named ``this`` is the one that is spoken of.

    :param run: name of the run in the scenario
    :param node: node id; none: the run itself
    :param what: a state of Airflow, when it is first seen; ``there``: of a run, in whatever state;
        ``begins``: its first try begins to work, said by the database; ``begins again``: its last try does;
        ``ends``: the end that Airflow has recorded; ``gone``: its last statement has left the database server
    """

    run: str
    node: str | None
    what: str

    _TEXT = re.compile(
        r"(?P<run>\w+)(?:\.(?P<node>[\w-]+))? (?:is (?P<state>\w+)|(?P<verb>begins again|begins|ends))"
    )

    @classmethod
    def read(cls, text: str) -> Moment:
        """Read a moment from its text.

        :raises ValueError: it is none
        """
        found = cls._TEXT.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"not a moment: {text!r}")
        return cls(found["run"], found["node"], found["state"] or found["verb"])

    def __str__(self) -> str:
        subject = self.run if self.node is None else f"{self.run}.{self.node}"
        verb = self.what.startswith("begins") or self.what == "ends"
        return f"{subject} {self.what}" if verb else f"{subject} is {self.what}"


@dataclass(frozen=True)
class Behaviour:
    """A node and how it behaves. Without a behaviour it succeeds at once.

    :param after: the nodes upstream
    :param takes: seconds of work, after what ``until`` says
    :param until: the work goes on until this moment
    :param fails: so many tries fail, at the end of their work
    :param hangs: its work never ends
    :param killed: in so many tries the task's process gets SIGKILL while it works, when ``until`` has come
    :param deferred: it works in the triggerer, for so many seconds after ``until``
    :param condition: it is a conditional branch with this condition
    :param gives: output name -> value that it gives
    :param uses: outputs that its text needs
    :param retries: of the node
    :param retry_after: seconds between its tries
    :param timeout: seconds that its work may take
    :param pool: one of the scenario's pools
    """

    after: tuple[str, ...] = ()
    takes: float = 0
    until: Moment | None = None
    fails: int | Literal["always"] = 0
    hangs: bool = False
    killed: int = 0
    deferred: float | None = None
    condition: str | None = None
    gives: Mapping[str, str] = field(default_factory=dict)
    uses: tuple[str, ...] = ()
    retries: int = 0
    retry_after: float = 1
    timeout: float | None = None
    pool: str | None = None

    @property
    def writes(self) -> bool:
        """Whether its work leaves rows in the ledger: conditions, outputs and deferred nodes leave none."""
        return self.condition is None and self.deferred is None and not self.gives


@dataclass(frozen=True)
class Event:
    """Something that somebody does, once the event before it was done and its own time has come.

    ======================  ==========================================================================
    action                  arguments
    ======================  ==========================================================================
    ``start``               ``run``; ``conf``, ``run_after``, ``logical_date``; ``nodes``: how nodes behave in
                            this run, where that differs
    ``behave``              ``run``, ``nodes``: how nodes behave in the run from now on
    ``mark``                ``run``, ``node``, ``as``: success or failed; by hand
    ``mark_run``            ``run``, ``as``
    ``clear``               ``run``, ``nodes``; ``downstream``; by hand, as in the UI
    ``clear_failed``        ``run``: all that is failed, as in the UI
    ``clear_all``           ``run``: the whole run
    ``delete``              ``run``
    ``kill``                ``run``, ``node``: SIGKILL to the worker and its task, or ``only: worker``
    ``edit``                ``nodes``, or other keys of the flow, which replace the scenario's
    ``pause``, ``unpause``
    ``pool``                ``name``, ``slots``
    ``backfill``            ``from``, ``to``: slots; ``runs``: their names, by date; ``conf``, ``nodes``
    ``scheduled``           ``run``: the name of the next run that the scheduler makes
    ``refuse_decisions``    Airflow's database refuses each decision about a run of the flow
    ``variable``            ``key``, ``value``: of Airflow
    ``airflow``             ``words`` of a command; ``status``: expected exit status, ``text`` in its output;
                            ``runs``: names of the runs that it makes, and how nodes behave in them; the
                            next event waits for its end
    ======================  ==========================================================================

    :param action: what is done
    :param arguments: of the action
    :param when: the moment to wait for
    :param after: seconds to wait then
    """

    action: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    when: Moment | None = None
    after: float = 0


@dataclass(frozen=True)
class Order:
    """One moment lies after another, and no more than so many seconds after it.

    As text: ``run1.s begins after run1.r ends``, ``run1.r is gone within 15 s after run1.a is failed``. Or:
    ``run1.a apart from run2.a``, one of the two begins after the other ends.
    """

    later: Moment
    earlier: Moment
    within: float | None = None
    apart: bool = False

    _APART = re.compile(r"(\w+)\.([\w-]+) apart from (\w+)\.([\w-]+)")
    _TEXT = re.compile(r"(?P<later>.+?)(?: within (?P<within>[\d.]+) s)? after (?P<earlier>.+)")

    @classmethod
    def read(cls, text: str) -> Order:
        """Read an order from its text.

        :raises ValueError: it is none
        """
        if two := cls._APART.fullmatch(text.strip()):
            return cls(Moment(two[1], two[2], "begins"), Moment(two[3], two[4], "ends"), apart=True)
        found = cls._TEXT.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"not an order: {text!r}")
        within = float(found["within"]) if found["within"] else None
        return cls(Moment.read(found["later"]), Moment.read(found["earlier"]), within)

    def __str__(self) -> str:
        if self.apart:
            return f"{self.later.run}.{self.later.node} apart from {self.earlier.run}.{self.earlier.node}"
        limit = "" if self.within is None else f" within {self.within:g} s"
        return f"{self.later}{limit} after {self.earlier}"


@dataclass(frozen=True)
class RunExpected:
    """What a run must look like in the end.

    :param state: of the run
    :param nodes: node id -> outcome: a state of Airflow; ``not_run``: no try of it began; ``stopped``: one
        began, and it ended without success or the end of its work
    :param tries: node id -> how many tries did any work
    :param finished: node id -> how many tries reached the end of their work
    :param wrote: node id -> what its last try that reached its end wrote: ``end`` and the outputs it uses
    :param conf: keys of ``dms`` in its conf; a value of None: the key is not there; a run is named as in
        the scenario
    :param callbacks: ``success`` and ``failure``: calls of the DAG's callbacks; default: one of what the run
        is
    :param logs: node id -> text in the log of its last try
    """

    state: str | None = None
    nodes: Mapping[str, str] = field(default_factory=dict)
    tries: Mapping[str, int] = field(default_factory=dict)
    finished: Mapping[str, int] = field(default_factory=dict)
    wrote: Mapping[str, str] = field(default_factory=dict)
    conf: Mapping[str, Any] = field(default_factory=dict)
    callbacks: Mapping[str, int] | None = None
    logs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """A flow and its story.

    :param name: of the scenario; id of its flow
    :param nodes: node id -> node
    :param error_handling: policy of the flow
    :param concurrency: policy of the flow
    :param events: what happens, in order
    :param flow: further keys of the flow spec, as they stand there
    :param pools: name -> slots at the start
    :param runs: run name -> what is expected of it
    :param orders: what is expected of the order of things
    :param shows: cells of the truth table that it stands for
    :param versioned: its spec lies in Git, so that its runs keep to the version that they began with
    :param timeout: seconds that it may take in all
    """

    name: str
    nodes: Mapping[str, Behaviour]
    error_handling: str = "complete_running_tasks"
    concurrency: str = "skip"
    events: tuple[Event, ...] = (Event("start", {"run": "run1"}),)
    flow: Mapping[str, Any] = field(default_factory=dict)
    pools: Mapping[str, int] = field(default_factory=dict)
    runs: Mapping[str, RunExpected] = field(default_factory=dict)
    orders: tuple[Order, ...] = ()
    shows: tuple[str, ...] = ()
    versioned: bool = False
    timeout: float = 400


@dataclass
class NodeSeen:
    """What was seen of a node in one run. Times are seconds since 1970.

    :param state: last state in Airflow; ``none`` if it never had one
    :param history: each change of state that was noticed
    :param began: when each try began to work, said by the database
    :param finished: when tries reached the end of their work, said by the database
    :param wrote: what the last of these wrote then
    :param ended: when Airflow recorded its end
    :param gone: when its last statement was last seen on the database server
    :param on_server: a statement of it is on the server still
    :param try_number: of Airflow
    :param trigger: a trigger of it is in the triggerer still
    """

    state: str = "none"
    history: list[tuple[float, str]] = field(default_factory=list)
    began: list[float] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)
    wrote: str | None = None
    ended: float | None = None
    gone: float | None = None
    on_server: bool = False
    try_number: int = 0
    trigger: bool = False

    @property
    def stopped(self) -> bool:
        """Whether it was ended after it had begun."""
        return bool(self.began) and not self.finished and self.state in ("failed", "skipped")

    @property
    def outcome(self) -> str:
        """Its state in the words of the truth table: ``not_run`` if no try of it ever began."""
        return "not_run" if self.state in NOT_BEGUN and not self.began else self.state


@dataclass
class RunSeen:
    """What was seen of a run.

    :param run_id: in Airflow
    :param kind: Airflow's run type
    :param state: last state; ``deleted`` if it is not there any more
    :param history: each change of state that was noticed
    :param conf: the whole conf
    :param note: what the run's note says
    :param nodes: node id -> node; helper tasks are not in it
    :param helpers: task id -> helper task
    :param callbacks: ``success`` and ``failure`` -> number of calls
    """

    run_id: str
    kind: str = "manual"
    state: str = "none"
    history: list[tuple[float, str]] = field(default_factory=list)
    conf: Mapping[str, Any] = field(default_factory=dict)
    note: str | None = None
    nodes: dict[str, NodeSeen] = field(default_factory=dict)
    helpers: dict[str, NodeSeen] = field(default_factory=dict)
    callbacks: dict[str, int] = field(default_factory=lambda: {"success": 0, "failure": 0})

    @property
    def dms(self) -> Mapping[str, Any]:
        """What the conf says under the key ``dms``."""
        found = self.conf.get("dms")
        return found if isinstance(found, Mapping) else {}


@dataclass
class Seen:
    """What was seen of a scenario.

    :param runs: run name -> run
    :param problem: why the scenario could not be brought to its end
    :param events: when each event was done
    :param logs: file with the logs of all tries
    :param log_texts: (run name, node id) -> log of its last try, of those whose log is expected to say
        something
    :param deadlocks: when parts of Airflow had blocked each other, and one gave way
    """

    scenario: Scenario
    runs: dict[str, RunSeen] = field(default_factory=dict)
    problem: str | None = None
    events: list[float] = field(default_factory=list)
    logs: Path | None = None
    log_texts: dict[tuple[str, str], str] = field(default_factory=dict)
    deadlocks: Sequence[float] = ()
