"""Cases played on one Airflow, many at once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from dev.services import Server
from tests.end_to_end.airflow_instance import AirflowInstance
from tests.end_to_end.behaviour.instance import behaviour_instance
from tests.end_to_end.model.cases import Case
from tests.end_to_end.model.ledger import WORK, Ledger
from tests.end_to_end.model.observer import Observer
from tests.end_to_end.model.play import GIVE_UP_SECONDS, Play, Verdict

SETTINGS = {
    "CORE__PARALLELISM": "32",
    "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "5",
    "DAG_PROCESSOR__STALE_DAG_THRESHOLD": "60",
    "SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE": "100",
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "600",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "600",
    "WORKERS__EXECUTION_API_TIMEOUT": "60",
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
}
"""What differs from other tests: many nodes wait at once, each step of a case waits for a heartbeat, and on a
machine that is too busy nobody is taken for dead."""

_LOOK_SECONDS = 0.4
_AGAIN = "_again"
_REPEATS = 2


@contextmanager
def model_instance(server: Server) -> Iterator[AirflowInstance]:
    """Start an Airflow for cases.

    :param server: a running PostgreSQL
    """
    with behaviour_instance(server, SETTINGS) as airflow:
        yield airflow


def play_cases(
    airflow: AirflowInstance,
    cases: Sequence[Case],
    *,
    at_once: int = 10,
    patience: float = GIVE_UP_SECONDS,
    stop_at_first_difference: bool = False,
    report: Callable[[Verdict], None] = lambda verdict: None,
) -> list[Verdict]:
    """Play cases to their ends.

    :param airflow: made by :func:`model_instance`
    :param cases: each with a name of its own
    :param at_once: how many go on at the same time
    :param patience: seconds without any change until a case is given up
    :param stop_at_first_difference: leave out what has not ended when a case differs
    :param report: called with each verdict as soon as it is there
    :return: the verdicts, in the order of the cases
    """
    ledger = Ledger(airflow.server)
    observer = Observer(airflow, ledger)
    try:
        ledger.set_up()
        for case in cases:
            _write(airflow, case)
        names = {case.name for case in cases}
        airflow.wait_for(lambda: observer.knows(names), "all flows to be active")
        waiting = list(cases)
        going: list[Play] = []
        done: list[Play] = []
        while waiting or going:
            while waiting and len(going) < at_once and observer.knows([waiting[0].name]):
                going.append(Play(waiting.pop(0), airflow, ledger, observer, patience))
            observer.look(play.name for play in going)
            for play in going:
                play.advance()
            for play in [play for play in going if play.over]:
                going.remove(play)
                if play.verdict.differences and (again := _once_more(airflow, play)) is not None:
                    _write(airflow, again)
                    waiting.append(again)
                    continue
                done.append(play)
                report(play.verdict)
            if stop_at_first_difference and any(play.verdict.differences for play in done):
                for play in going:
                    play.give_up()
                break
            time.sleep(_LOOK_SECONDS)
        observer.look(play.name for play in done)
        for play in done:
            play.look_again()
        order = [case.seed for case in cases]
        return sorted((play.verdict for play in done), key=lambda verdict: order.index(verdict.case.seed))
    finally:
        observer.close()
        ledger.close()


def _write(airflow: AirflowInstance, case: Case) -> None:
    path = airflow.dags / f"{case.name}.flow.yaml"
    path.write_text(case.spec_text(WORK), encoding="utf-8")


def _once_more(airflow: AirflowInstance, play: Play) -> Case | None:
    """Return the case under another name if Airflow itself has lost a task of it, which says nothing."""
    log = (airflow.logs / "scheduler.log").read_text(encoding="utf-8", errors="replace")
    if play.name.count(_AGAIN) == _REPEATS or not is_disturbed(log, play.name):
        return None
    return replace(play.verdict.case, name=play.name + _AGAIN)


def is_disturbed(log: str, flow: str) -> bool:
    """Return whether Airflow has lost a task of a flow, because the machine was too busy for it.

    :param log: of the scheduler
    """
    task = rf"<TaskInstance: {re.escape(flow)}\."
    never_started = (
        rf"{task}[^\n]* finished with state failed, but the task instance's state attribute is queued"
    )
    orphan = rf"orphaned TaskInstances?:\n(?:\s+<TaskInstance: [^\n]*\n)*?\s+{task}"
    return re.search(f"{never_started}|{orphan}", log) is not None
