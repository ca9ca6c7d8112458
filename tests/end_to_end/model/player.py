"""Cases played on one Airflow, many at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dev.services import Server
from tests.end_to_end.airflow_instance import REPOSITORY, AirflowInstance
from tests.end_to_end.behaviour.instance import behaviour_instance
from tests.end_to_end.model.cases import Case
from tests.end_to_end.model.ledger import WORK, Ledger
from tests.end_to_end.model.observer import Observer
from tests.end_to_end.model.play import GIVE_UP_SECONDS, Play, Verdict

SETTINGS = {
    "CORE__PARALLELISM": "32",
    "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "5",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
    "DAG_PROCESSOR__STALE_DAG_THRESHOLD": "60",
    "SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE": "100",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
    "WORKERS__EXECUTION_API_TIMEOUT": "60",
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
}
"""What differs from other tests: many nodes wait at once, and each step of a case waits for a heartbeat."""

_LOOK_SECONDS = 0.4


@contextmanager
def model_instance(server: Server, *, packages: Path = REPOSITORY) -> Iterator[AirflowInstance]:
    """Start an Airflow for cases.

    :param server: a running PostgreSQL
    :param packages: folder of the packages that it runs a copy of
    """
    with behaviour_instance(server, SETTINGS, packages=packages) as airflow:
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
            path = airflow.dags / f"{case.name}.flow.yaml"
            path.write_text(case.spec_text(WORK), encoding="utf-8")
        names = {case.name for case in cases}
        airflow.wait_for(lambda: observer.knows(names), "all flows to be active")
        waiting = [Play(case, airflow, ledger, observer, patience) for case in cases]
        done: list[Play] = []
        going: list[Play] = []
        while waiting or going:
            while waiting and len(going) < at_once:
                going.append(waiting.pop(0))
            observer.look(play.name for play in going)
            for play in going:
                play.advance()
                if play.over:
                    done.append(play)
                    report(play.verdict)
            if stop_at_first_difference and any(play.verdict.differences for play in done):
                break
            going = [play for play in going if not play.over]
            time.sleep(_LOOK_SECONDS)
        observer.look(names)
        for play in done:
            play.look_again()
        order = [case.name for case in cases]
        return sorted((play.verdict for play in done), key=lambda verdict: order.index(verdict.case.name))
    finally:
        observer.close()
        ledger.close()
