"""The quick start's own parts: loading, checking, printing, delivering specs."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from dag_factory.validation import validate_file
from dev.quickstart_app import examples, warehouse
from dev.quickstart_app.flights import csv_rows
from dev.quickstart_app.report import (
    AirportDelays,
    Report,
    WorstFlight,
    differences,
    expected_report,
    read_report,
)
from dev.quickstart_app.settings import (
    EXAMPLES,
    Folders,
    QuickstartError,
    airflow_environment,
    free_port,
    write_commands_environment,
)
from dev.quickstart_app.tables import table

HEADER = "year,month,day,dep_time,dep_delay,carrier,flight,tailnum,origin,dest\n"
DAY = date(2013, 7, 10)


def flight(
    delay: int | str, *, origin: str = "JFK", number: int = 1, day: int = 10, carrier: str = "AA"
) -> str:
    left = "NA" if delay == "NA" else "900"
    return f"2013,7,{day},{left},{delay},{carrier},{number},N1,{origin},LAX\n"


@pytest.fixture
def csv_folder(tmp_path: Path) -> Callable[[list[str]], Path]:
    def write(flights: list[str]) -> Path:
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        with zipfile.ZipFile(folder / "flights.csv.zip", "w") as archive:
            archive.writestr("flights.csv", HEADER + "".join(flights))
        (folder / "airlines.csv").write_text('carrier,name\nAA,"American, Inc."\n', encoding="utf-8")
        (folder / "airports.csv").write_text("faa,lat\nJFK,40.6\n", encoding="utf-8")
        (folder / "planes.csv").write_text("tailnum,year,model\nN1,2004,EMB\n", encoding="utf-8")
        (folder / "weather.csv").write_text(
            "origin,year,month,day,wind_speed\nJFK,2013,7,10,NA\n", encoding="utf-8"
        )
        return folder

    return write


def test_everything_is_loaded_with_its_types(csv_folder: Callable[[list[str]], Path], tmp_path: Path) -> None:
    file = tmp_path / "warehouse.sqlite"
    assert not warehouse.is_loaded(file)
    counts = warehouse.load(file, csv_folder([flight(61), flight("NA")]))
    assert counts == {"airlines": 1, "airports": 1, "flights": 2, "planes": 1, "weather": 1}
    assert warehouse.is_loaded(file)
    with sqlite3.connect(file) as connection:
        rows = connection.execute("SELECT year, dep_time, dep_delay, carrier, flight FROM flights").fetchall()
        assert rows == [(2013, 900, 61, "AA", 1), (2013, None, None, "AA", 1)]
        assert connection.execute("SELECT wind_speed FROM weather").fetchone() == (None,)
        assert connection.execute("SELECT name FROM airlines").fetchone() == ("American, Inc.",)


def test_a_broken_load_is_done_again(csv_folder: Callable[[list[str]], Path], tmp_path: Path) -> None:
    file, folder = tmp_path / "warehouse.sqlite", csv_folder([flight(1)])
    (folder / "weather.csv").unlink()
    with pytest.raises(QuickstartError, match=r"no weather\.csv"):
        warehouse.load(file, folder)
    assert not warehouse.is_loaded(file)
    (folder / "weather.csv").write_text("origin,year,month,day\n", encoding="utf-8")
    assert warehouse.load(file, folder)["flights"] == 1


def test_a_quiet_day(csv_folder: Callable[[list[str]], Path]) -> None:
    folder = csv_folder(
        [
            flight(60),
            flight(61),
            flight("NA"),
            flight(-1, origin="EWR"),
            flight(999, day=11),
            flight("NA", origin="LGA"),
        ]
    )
    assert expected_report(DAY, folder) == Report(
        (
            AirportDelays("EWR", 1, 0, 0, -1.0, -1),
            AirportDelays("JFK", 3, 1, 1, 60.5, 61),
            AirportDelays("LGA", 1, 1, 0, None, None),
        ),
        (),
    )


@pytest.mark.parametrize(("late", "worst", "listed"), [(101, 120, 5), (101, 119, 0), (100, 500, 0)])
def test_a_bad_day(csv_folder: Callable[[list[str]], Path], late: int, worst: int, listed: int) -> None:
    flights = [flight(worst if number == late else 61, number=number) for number in range(1, late + 1)]
    report = expected_report(DAY, csv_folder(flights))
    assert report.airports[0].late == late
    assert [row.delay for row in report.worst] == [worst, 61, 61, 61, 61][:listed]
    assert [row.flight for row in report.worst] == [f"AA{late}", "AA1", "AA2", "AA3", "AA4"][:listed]


RIGHT = Report(
    (AirportDelays("EWR", 3, 1, 1, 10.04, 70), AirportDelays("LGA", 1, 1, 0, None, None)),
    (WorstFlight(1, "American", "AA1", "EWR", "LAX", 70),),
)


def test_a_rounded_mean_is_no_difference() -> None:
    rounded = replace(RIGHT.airports[0], mean_delay=10.0)
    assert differences(replace(RIGHT, airports=(rounded, RIGHT.airports[1])), RIGHT) == []


@pytest.mark.parametrize(
    "report",
    [
        Report((), RIGHT.worst),
        replace(RIGHT, worst=()),
        replace(RIGHT, airports=RIGHT.airports[:1]),
        *[
            replace(RIGHT, airports=(replace(RIGHT.airports[0], **{name: value}), RIGHT.airports[1]))
            for name, value in [
                ("flights", 4),
                ("cancelled", 0),
                ("late", 2),
                ("mean_delay", 10.1),
                ("mean_delay", None),
            ]
        ],
        replace(RIGHT, airports=(RIGHT.airports[0], replace(RIGHT.airports[1], mean_delay=0.0))),
    ],
)
def test_a_wrong_report_is_found(report: Report) -> None:
    assert len(differences(report, RIGHT)) == 1


def test_a_report_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.sqlite"
    connection = sqlite3.connect(file)
    connection.executescript(
        "CREATE TABLE daily_delays (flight_date, origin, flights, cancelled, late, mean_delay, worst_delay);"
        "CREATE TABLE worst_flights (flight_date, place, airline, flight, origin, dest, delay);"
        "INSERT INTO daily_delays VALUES ('2013-07-10', 'LGA', 1, 1, 0, NULL, NULL),"
        " ('2013-07-10', 'EWR', 3, 1, 1, 10.04, 70), ('2013-07-11', 'EWR', 9, 9, 9, 9.9, 9);"
        "INSERT INTO worst_flights VALUES ('2013-07-10', 1, 'American', 'AA1', 'EWR', 'LAX', 70);"
    )
    connection.close()
    assert read_report(DAY, file) == RIGHT


def test_an_edited_spec_is_left_alone(tmp_path: Path) -> None:
    source, dags = tmp_path / "examples", tmp_path / "dags"
    source.mkdir()
    dags.mkdir()
    for name in ("a", "b"):
        (source / f"{name}.flow.yaml").write_text("old", encoding="utf-8")
    assert examples.deliver(source, dags, tmp_path) == []
    (dags / "a.flow.yaml").write_text("mine", encoding="utf-8")
    for name in ("a", "b"):
        (source / f"{name}.flow.yaml").write_text("new", encoding="utf-8")
    assert examples.deliver(source, dags, tmp_path) == ["a.flow.yaml"]
    assert [(dags / f"{name}.flow.yaml").read_text(encoding="utf-8") for name in ("a", "b")] == [
        "mine",
        "new",
    ]
    (dags / "a.flow.yaml").unlink()
    assert examples.deliver(source, dags, tmp_path) == []
    assert (dags / "a.flow.yaml").read_text(encoding="utf-8") == "new"


@pytest.mark.parametrize("spec", sorted(EXAMPLES.glob("*.flow.yaml")), ids=lambda path: path.name)
def test_the_examples_are_without_a_problem(spec: Path) -> None:
    assert validate_file(spec).warnings == ()


def test_a_table_in_two_alphabets() -> None:
    assert table("T", ("机型", "n"), [("波音", 5), ("A320", 12)]).splitlines() == [
        "T",
        "",
        "  机型   n",
        "  ----  --",
        "  波音   5",
        "  A320  12",
    ]


def test_a_taken_port_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port


def test_airflow_hears_nothing_of_another_airflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "another")
    environment = airflow_environment(Folders(tmp_path), 8080)
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" not in environment
    assert environment["AIRFLOW_HOME"] == str(tmp_path / "airflow")


def test_log_servers_leave_those_of_another_airflow_alone(tmp_path: Path) -> None:
    with socket.socket() as another:
        another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # It may already be taken on the machine that runs the tests.
        with contextlib.suppress(OSError):
            another.bind(("0.0.0.0", 8794))
            another.listen()
        environment = airflow_environment(Folders(tmp_path), 8080)
    assert environment["AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT"] != "8794"


def test_a_shell_gets_the_environment_of_airflow(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "it's here")
    folders.make()
    environment = airflow_environment(folders, 8080)
    write_commands_environment(folders, environment)
    script = '. "$1" && printf "%s|" "$AIRFLOW_HOME" "$AIRFLOW_CONN_WAREHOUSE" && command -v python'
    said = subprocess.run(
        ["sh", "-c", script, "sh", str(folders.commands_environment)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    expected = [environment["AIRFLOW_HOME"], environment["AIRFLOW_CONN_WAREHOUSE"]]
    assert said.split("|")[:2] == expected
    assert Path(said.split("|")[2].strip()).parent == Path(sys.executable).parent


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(QuickstartError, match=r"no flights\.csv"), csv_rows("flights", tmp_path):
        pass
