"""Loads real data, starts Airflow, runs the daily flight report, checks and prints it."""

from __future__ import annotations

import argparse
import fcntl
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timezone
from datetime import time as clock
from importlib.metadata import version
from pathlib import Path

from dev.quickstart_app import examples, warehouse
from dev.quickstart_app.client import AirflowClient
from dev.quickstart_app.flights import data_folder
from dev.quickstart_app.processes import AirflowProcesses
from dev.quickstart_app.report import Report, differences, expected_report, read_report
from dev.quickstart_app.settings import (
    EXAMPLES,
    HOST,
    Folders,
    QuickstartError,
    airflow_environment,
    free_port,
    write_commands_environment,
)
from dev.quickstart_app.tables import table

FLOW = "daily_flight_report"
SLOT = clock(2, 30)
"""When the flow runs by its schedule: a dependency check looks for the runs of slots."""
BUSINESS_DATE = date(2013, 7, 10)


class Progress:
    """Lines with the seconds since the start."""

    def __init__(self, started: float) -> None:
        self._started = started

    def __call__(self, text: str) -> None:
        print(f"[{time.time() - self._started:5.1f} s] {text}", flush=True)


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="dev/quickstart", description=__doc__)
    parser.add_argument(
        "--exit", action="store_true", help="stop after printing; status 0 if the report is right"
    )
    parser.add_argument(
        "--date", type=business_date, default=BUSINESS_DATE, help="a day of 2013 (2013-07-10)"
    )
    parser.add_argument("--started", type=float, default=time.time(), help=argparse.SUPPRESS)
    return parser.parse_args()


def business_date(text: str) -> date:
    """Return the day that an argument names.

    :param text: ``yyyy-mm-dd``
    :return: a day of 2013
    :raises ValueError: it is none
    """
    day = datetime.strptime(text, "%Y-%m-%d").date()
    if day.year != 2013:
        raise ValueError("the flights are those of 2013")
    return day


class Migration:
    """Whether Airflow's database is that of the installed version.

    :param folders: of the quick start
    """

    def __init__(self, folders: Folders) -> None:
        self._note = folders.root / "migrated"
        self._version = version("apache-airflow-core")
        database = folders.airflow_home / "airflow.db"
        self.done = (
            database.is_file()
            and self._note.is_file()
            and self._note.read_text(encoding="utf-8") == self._version
        )

    def note(self) -> None:
        """Remember it for the next start."""
        self._note.write_text(self._version, encoding="utf-8")


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Keep a second quick start out of the same folder; the lock goes with the process that holds it.

    :param lock: its file
    :raises QuickstartError: another one is running
    """
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise QuickstartError("a quick start of this checkout is already running") from None
        yield


def prepare(folders: Folders, airflow: AirflowProcesses, progress: Progress) -> None:
    """Bring Airflow's database up to date where it is not, the warehouse and the specs in place meanwhile.

    :param folders: of the quick start
    :param airflow: runs Airflow's commands
    :param progress: told of each step
    """
    database = Migration(folders)
    if not database.done:
        airflow.start("db-migrate", "db", "migrate")
    if warehouse.is_loaded(folders.warehouse):
        progress("the warehouse is there")
    else:
        rows = warehouse.load(folders.warehouse, data_folder())
        counts = ", ".join(f"{count:,} {name}" for name, count in rows.items())
        progress(f"loaded {counts} into {folders.warehouse.name}")
    for name in examples.deliver(EXAMPLES, folders.dags, folders.root):
        progress(f"{name} was edited: left as it is")
    if not database.done:
        airflow.finish("db-migrate")
        database.note()
        progress("Airflow's database is ready")


def run_flow(client: AirflowClient, day: date, progress: Progress) -> tuple[str, list[tuple[str, str]]]:
    """Run the flow and tell of its nodes.

    :param client: of the API server
    :param day: business date
    :param progress: told of each node
    :return: state of the run; names and states of its nodes
    """
    run_id = client.trigger(FLOW, datetime.combine(day, SLOT))
    progress(f"started {FLOW} for {day}")
    nodes: list[tuple[str, str]] = []
    for node_id, name, state in client.follow(FLOW, run_id, timeout=600):
        if not node_id:
            progress(f"the run ended: {state}")
            return state, nodes
        nodes.append((name, state))
        progress(f"  {name}: {state}")
    raise QuickstartError(f"the run {run_id} was lost")


def show(day: date, report: Report, nodes: list[tuple[str, str]]) -> None:
    """Print what came out.

    :param day: business date
    :param report: what the flow wrote
    :param nodes: names and states
    """
    airports = [
        (
            airport.origin,
            airport.flights,
            airport.cancelled,
            airport.late,
            "-" if airport.mean_delay is None else airport.mean_delay,
            "-" if airport.worst_delay is None else airport.worst_delay,
        )
        for airport in report.airports
    ]
    header = ("airport", "flights", "cancelled", "late", "mean delay", "worst delay")
    print(f"\n{table(f'Departures on {day} (delays in minutes, late: over 60)', header, airports)}\n")
    if report.worst:
        worst = [
            (row.place, row.airline, row.flight, f"{row.origin}-{row.dest}", row.delay)
            for row in report.worst
        ]
        print(f"{table('The worst flights', ('', 'airline', 'flight', 'route', 'delay'), worst)}\n")
    print(f"{table('Nodes', ('node', 'state'), nodes)}\n", flush=True)


def quick_start(options: argparse.Namespace) -> int:
    """Everything, in order.

    :param options: of the command line
    :return: exit status
    :raises QuickstartError: something is wrong
    """
    progress = Progress(options.started)
    folders = Folders()
    folders.make()
    port = free_port()
    address = f"http://{HOST}:{port}"
    environment = airflow_environment(folders, port)
    with only_one(folders.lock), AirflowProcesses(environment, folders.logs) as airflow:
        write_commands_environment(folders, environment)
        prepare(folders, airflow, progress)
        airflow.start_airflow()
        client = AirflowClient(address, airflow.check, datetime.now(timezone.utc))
        with airflow.needed("api-server"):
            client.wait_until_up(timeout=240)
        progress(f"Airflow is up: {address}")
        with airflow.needed("dag-processor"):
            client.wait_until_live(FLOW, timeout=240)
        progress("the flow specs are DAGs")
        with airflow.needed("scheduler"):
            state, nodes = run_flow(client, options.date, progress)
            if state != "success":
                raise QuickstartError(f"{FLOW} failed; its nodes' logs: {folders.airflow_home / 'logs'}")
        report = read_report(options.date, folders.warehouse)
        wrong = differences(report, expected_report(options.date, data_folder()))
        show(options.date, report, nodes)
        if wrong:
            raise QuickstartError("\n".join(["the report differs from the CSV files:", *wrong]))
        print("The report agrees with numbers computed from the CSV files apart from the flow.")
        if options.exit:
            return 0
        print(
            f"The UI (no login): {address}/dags/{FLOW}\nThe flow specs: {folders.dags}",
            f"Airflow's commands: . {folders.commands_environment}; airflow dms list",
            "Ctrl-C ends everything.",
            sep="\n",
            flush=True,
        )
        while True:
            airflow.check()
            time.sleep(1)


def main() -> int:
    """Run, and say in words what went wrong.

    :return: exit status
    """
    # SIGINT too: a shell starts its background jobs with it ignored.
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    options = arguments()
    try:
        return quick_start(options)
    except KeyboardInterrupt:
        print("\nended; nothing is left running")
        return 130 if options.exit else 0
    except QuickstartError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
