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
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
    "DAG_PROCESSOR__STALE_DAG_THRESHOLD": "60",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
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


def play(
    airflow: AirflowInstance,
    cases: Sequence[Case],
    *,
    at_once: int = 10,
    patience: float = GIVE_UP_SECONDS,
    report: Callable[[Verdict], None] = lambda verdict: None,
) -> list[Verdict]:
    """Play cases to their ends.

    :param airflow: made by :func:`model_instance`
    :param cases: each with a name of its own
    :param at_once: how many go on at the same time
    :param patience: seconds without any change until a case is given up
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
        airflow.wait_for(lambda: names <= airflow.active_dags(), "all flows to be active")
        plays = _play(airflow, cases, ledger, observer, at_once, patience, report)
        observer.look(names)
        for done in plays:
            done.look_again()
        return [done.verdict for done in plays]
    finally:
        observer.close()
        ledger.close()


def _play(
    airflow: AirflowInstance,
    cases: Sequence[Case],
    ledger: Ledger,
    observer: Observer,
    at_once: int,
    patience: float,
    report: Callable[[Verdict], None],
) -> list[Play]:
    waiting = list(cases)
    going: list[Play] = []
    done: dict[str, Play] = {}
    while waiting or going:
        while waiting and len(going) < at_once:
            going.append(Play(waiting.pop(0), airflow, ledger, observer, patience))
        observer.look(play.verdict.case.name for play in going)
        for one in going:
            one.advance()
            if one.over:
                done[one.verdict.case.name] = one
                report(one.verdict)
        going = [one for one in going if not one.over]
        time.sleep(_LOOK_SECONDS)
    return [done[case.name] for case in cases]
