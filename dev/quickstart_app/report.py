"""What the daily flight report must say, computed from the CSV files, and what it says."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from dev.quickstart_app.flights import MISSING, csv_rows

LATE_MINUTES = 60
BAD_DAY = 100
WORST_FLIGHTS = 5


@dataclass(frozen=True)
class AirportDelays:
    """One airport's day: numbers of flights; delays of departure in minutes, None if nothing left."""

    origin: str
    flights: int
    cancelled: int
    late: int
    mean_delay: float | None
    worst_delay: int | None


@dataclass(frozen=True)
class WorstFlight:
    """A very late flight."""

    place: int
    airline: str
    flight: str
    origin: str
    dest: str
    delay: int


@dataclass(frozen=True)
class Report:
    """One day's report.

    :param airports: in the order of their codes
    :param worst: the worst flights of a bad day; empty on another
    """

    airports: tuple[AirportDelays, ...]
    worst: tuple[WorstFlight, ...]


def expected_report(day: date, folder: Path) -> Report:
    """Compute the report in plain Python, without a database and without the flow.

    :param day: business date
    :param folder: of the CSV files
    :return: what the report must say
    """
    with csv_rows("airlines", folder) as lines:
        next(lines)
        airlines = dict(lines)
    wanted = [str(day.year), str(day.month), str(day.day)]
    with csv_rows("flights", folder) as lines:
        header = next(lines)
        flights = [dict(zip(header, line, strict=True)) for line in lines if line[:3] == wanted]

    by_origin: dict[str, list[dict[str, str]]] = defaultdict(list)
    for flight in flights:
        by_origin[flight["origin"]].append(flight)
    airports = tuple(airport_delays(origin, by_origin[origin]) for origin in sorted(by_origin))

    late = [flight for flight in flights if is_late(flight)]
    if len(late) <= BAD_DAY or max((int(flight["dep_delay"]) for flight in late), default=0) < 120:
        return Report(airports, ())
    late.sort(key=lambda flight: (-int(flight["dep_delay"]), flight["carrier"], int(flight["flight"])))
    worst = tuple(
        WorstFlight(
            place,
            airlines[flight["carrier"]],
            flight["carrier"] + flight["flight"],
            flight["origin"],
            flight["dest"],
            int(flight["dep_delay"]),
        )
        for place, flight in enumerate(late[:WORST_FLIGHTS], start=1)
    )
    return Report(airports, worst)


def airport_delays(origin: str, flights: list[dict[str, str]]) -> AirportDelays:
    """Return the summary of an airport's day.

    :param origin: the airport
    :param flights: its flights of the day
    """
    delays = [int(flight["dep_delay"]) for flight in flights if flight["dep_delay"] != MISSING]
    return AirportDelays(
        origin,
        flights=len(flights),
        cancelled=sum(flight["dep_time"] == MISSING for flight in flights),
        late=sum(is_late(flight) for flight in flights),
        mean_delay=sum(delays) / len(delays) if delays else None,
        worst_delay=max(delays, default=None),
    )


def is_late(flight: dict[str, str]) -> bool:
    """Return whether a flight left, and late.

    :param flight: a row of the flights
    """
    return flight["dep_delay"] != MISSING and int(flight["dep_delay"]) > LATE_MINUTES


def read_report(day: date, warehouse: Path) -> Report:
    """Read what the flow wrote.

    :param day: business date
    :param warehouse: the SQLite file
    :return: the report
    """
    connection = sqlite3.connect(f"{warehouse.as_uri()}?mode=ro", uri=True)
    try:
        airports = connection.execute(
            "SELECT origin, flights, cancelled, late, mean_delay, worst_delay"
            " FROM daily_delays WHERE flight_date = ? ORDER BY origin",
            (day.isoformat(),),
        ).fetchall()
        worst = connection.execute(
            "SELECT place, airline, flight, origin, dest, delay"
            " FROM worst_flights WHERE flight_date = ? ORDER BY place",
            (day.isoformat(),),
        ).fetchall()
    finally:
        connection.close()
    return Report(
        tuple(AirportDelays(*row) for row in airports),
        tuple(WorstFlight(*row) for row in worst),
    )


def differences(report: Report, expected: Report) -> list[str]:
    """Compare; a mean may differ by its rounding to one decimal.

    :param report: what the flow wrote
    :param expected: what is right
    :return: one line for each difference
    """
    found = []
    if [airport.origin for airport in report.airports] != [airport.origin for airport in expected.airports]:
        found.append(f"airports: {report.airports} instead of {expected.airports}")
    else:
        for is_now, right in zip(report.airports, expected.airports, strict=True):
            if is_now.mean_delay is not None and right.mean_delay is not None:
                rounded = abs(is_now.mean_delay - right.mean_delay) <= 0.0501
            else:
                rounded = is_now.mean_delay is right.mean_delay
            if not rounded or is_now != replace(right, mean_delay=is_now.mean_delay):
                found.append(f"{right.origin}: {is_now} instead of {right}")
    if report.worst != expected.worst:
        found.append(f"worst flights: {report.worst} instead of {expected.worst}")
    return found
