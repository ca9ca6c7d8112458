"""Workers that die: at whatever moment, a try starts its script once, and no two scripts run side by side."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from dms_provider.cloud_assistant.command import Try
from dms_provider.operators.base import SpecText
from tests.conftest import REPORTS
from tests.dms_provider.databases import wait_until
from tests.dms_provider.operators import killed_remote_command
from tests.dms_provider.operators.killed_remote_command import Moment
from tests.dms_provider.operators.remote_commands import FileStore, Flow, node
from tests.doubles.ecs import CloudAssistantServer, Fault

LONG = "echo began; sleep 600"
NOWHERE = Moment()
TAKEN = Fault("RunCommand", "held", "after")
HEADING = "ecs_remote_command: workers killed with SIGKILL"

# Imported once, by the process that all workers are forked from.
PRELOADED = [
    killed_remote_command.__name__,
    "alibabacloud_ecs20140526.client",
    "dms_provider.cloud_assistant.starting",
    "dms_provider.cloud_assistant.outputs",
    "dms_provider.hooks.alibaba_cloud",
    "dms_provider.triggers.ecs_remote_command",
]


@dataclass(frozen=True)
class Death:
    """A moment at which a worker is killed.

    :param what: for people
    :param starts: how many scripts the killed try may have started by then
    :param moment: where its process stands still
    :param fault: what the API does at that moment, instead
    :param script: of the killed try
    :param resumes: the worker had come back from the wait
    :param in_retry: it is the second try; the first was killed when its script was running
    """

    what: str
    starts: int
    moment: Moment = NOWHERE
    fault: Fault | None = None
    script: str = LONG
    resumes: bool = False
    in_retry: bool = False


DEATHS = [
    Death("before the request: nothing is noted yet", 0, Moment("get", 1)),
    Death("before the request: the try is about to be noted", 0, Moment("set", 1)),
    Death("before the request: the note is half written", 0, Moment("set", 1, "half")),
    Death("before the request: the try is noted", 0, Moment("set", 1, "after")),
    Death("sent: the API has not read it yet", 0, fault=Fault("RunCommand", "held")),
    Death("sent: throttled, before the next attempt", 0, fault=Fault("RunCommand", "throttled", times=99)),
    Death("sent: taken, the script runs, no answer", 1, fault=TAKEN),
    Death("sent: taken, the script has ended, no answer", 1, fault=TAKEN, script="true"),
    Death("sent: taken, the connection is lost", 1, fault=Fault("RunCommand", "cut", "after", times=99)),
    Death(
        "sent: taken, the answer is an error 500", 1, fault=Fault("RunCommand", "error", "after", times=99)
    ),
    Death("answered: the id is about to be saved", 1, Moment("set", 2)),
    Death("answered: the id is half saved", 1, Moment("set", 2, "half")),
    Death("saved: before the wait", 1, Moment("set", 2, "after")),
    Death("saved: the worker itself waits", 1, Moment("here")),
    Death("saved: back from the wait, before anything", 1, Moment("get", 1), script="true", resumes=True),
    Death(
        "saved: back from the wait, results asked for",
        1,
        fault=Fault("DescribeInvocationResults", "held"),
        script="true",
        resumes=True,
    ),
    Death("saved: the end is about to be noted", 1, Moment("set", 1), script="true", resumes=True),
    Death(
        "saved: the outputs are about to be left", 1, Moment("push"), script="echo '{\"n\": 1}'", resumes=True
    ),
    Death(
        "retry: the earlier script is looked for",
        0,
        fault=Fault("DescribeInvocations", "held"),
        in_retry=True,
    ),
    Death(
        "retry: the earlier script is being stopped",
        0,
        fault=Fault("StopInvocation", "held", "after"),
        in_retry=True,
    ),
    Death("retry: the earlier script was stopped", 0, Moment("set", 1, "after"), in_retry=True),
    Death("retry: sent and taken, no answer", 1, fault=TAKEN, in_retry=True),
]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudAssistantServer]:
    monkeypatch.setattr("dms_provider.triggers.ecs_remote_command.settling_seconds", lambda: 0.0)
    with CloudAssistantServer() as server:
        monkeypatch.setenv("AIRFLOW_CONN_ALI", server.connection)
        yield server


Killer = Callable[[int, Death], None]


@pytest.fixture
def kill(cloud: CloudAssistantServer, tmp_path: Path) -> Iterator[Killer]:
    """Executes a try in a process of its own, and kills it at its moment."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(PRELOADED)
    file = tmp_path / "store.json"
    left: list[BaseProcess] = []

    def work(number: int, death: Death) -> None:
        event = None
        if death.resumes:
            Flow(FileStore(file)).start(node(script=death.script), number)
            wait_until(lambda: cloud.is_idle, "the script to end")
            event = {"invoke_id": next(iter(cloud.invocations)), "problem": None}
        with ExitStack() as faults:
            if death.fault is not None:
                fault = death.fault
                faults.enter_context(cloud.fault(fault.action, fault.kind, fault.when, fault.times))
            process = processes.Process(
                target=killed_remote_command.execute,
                args=(file, cloud.connection, number, death.script, death.moment, event),
                daemon=True,
            )
            process.start()
            left.append(process)
            wait_until(lambda: has_come(death, number, process), death.what)
            assert process.is_alive()
            process.kill()
            process.join()
        file.with_suffix(".here").unlink(missing_ok=True)

    def has_come(death: Death, number: int, process: BaseProcess) -> bool:
        assert process.is_alive(), f"it ended before the moment came: {death.what}"
        started = tokens(cloud)[token(number)]
        if death.fault is not None:
            is_done = f"{death.fault.action} done" if death.fault.when == "after" else death.fault.action
            ended = death.script == LONG or cloud.is_idle
            return cloud.counts[is_done] > 0 and started >= death.starts and ended
        if death.moment.what == "here":
            return started > 0 and cloud.counts["DescribeInvocationResults"] > 1
        return file.with_suffix(".here").exists() and started >= death.starts

    yield work
    for process in left:
        process.kill()
        process.join()


def token(number: int) -> str:
    return Try("flow", "manual__1", "node", -1, number, f"id-of-try-{number}").token


def tokens(cloud: CloudAssistantServer) -> Counter[str]:
    return Counter(cloud.tokens)


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: death.what)
def test_a_worker_is_killed(
    death: Death, kill: Killer, cloud: CloudAssistantServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    number = 1
    if death.in_retry:
        kill(1, Death("the first try", 1, fault=TAKEN))
        cloud.counts.clear()
        number = 2
    kill(number, death)
    Flow(FileStore(tmp_path / "store.json")).run(node(script="true"), number + 1)
    wait_until(lambda: cloud.is_idle, "everything to end")
    started = [tokens(cloud)[token(each)] for each in range(1, number + 2)]
    lines = request.config.stash[REPORTS].setdefault(HEADING, [])
    lines.append(
        f"{death.what}: scripts started by each try {started}, side by side {cloud.instances.overlaps}"
    )
    assert started[number] == 1
    assert started[number - 1] == death.starts
    assert max(started) <= 1
    assert cloud.instances.overlaps == 0
    assert sum(started) == len(cloud.instances.started)


@pytest.mark.parametrize(
    "death",
    [death for death in DEATHS if not death.resumes and death.starts <= 1][3:13:3],
    ids=lambda death: death.what,
)
def test_the_same_try_is_executed_once_more(
    death: Death, kill: Killer, cloud: CloudAssistantServer, tmp_path: Path
) -> None:
    kill(1, death)
    flow = Flow(FileStore(tmp_path / "store.json"))
    again = node(script=SpecText(death.script))
    assert flow.start(again, 1) is not None
    wait_until(lambda: bool(cloud.instances.started), "the script to start")
    again.on_kill()
    assert tokens(cloud) == {token(1): 1}
    wait_until(lambda: cloud.is_idle, "the script to end")
