"""The warehouse of the quick start: a SQLite file with every table of the flights of New York 2013."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from dev.quickstart_app.flights import MISSING, TABLES, csv_rows

TEXT_COLUMNS = frozenset(
    {"carrier", "name", "faa", "dst", "tzone", "tailnum", "origin", "dest", "time_hour"}
    | {"type", "manufacturer", "model", "engine"}
)
INDEXES = (
    "CREATE INDEX flights_by_day ON flights (year, month, day)",
    "CREATE INDEX weather_by_day ON weather (year, month, day)",
    "CREATE UNIQUE INDEX planes_by_tailnum ON planes (tailnum)",
)


def is_loaded(warehouse: Path) -> bool:
    """Look whether an earlier start loaded everything: the file gets its name only then.

    :param warehouse: the SQLite file
    :return: true if nothing is left to do
    """
    return warehouse.is_file()


def load(warehouse: Path, folder: Path) -> dict[str, int]:
    """Load all tables into a new warehouse; it takes the place of an old one at the very end.

    :param warehouse: the SQLite file
    :param folder: of the CSV files
    :return: number of rows of each table
    """
    unfinished = warehouse.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    rows = {}
    connection = sqlite3.connect(unfinished)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = OFF")
        for table in TABLES:
            with csv_rows(table, folder) as lines:
                rows[table] = load_table(connection, table, lines)
        for statement in INDEXES:
            connection.execute(statement)
        connection.commit()
        # Nodes that run side by side read while another writes.
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
    unfinished.replace(warehouse)
    return rows


def load_table(connection: sqlite3.Connection, table: str, lines: Iterator[list[str]]) -> int:
    """Load one table; SQLite turns the text of number columns into numbers.

    :param connection: to the warehouse
    :param table: its name
    :param lines: header and rows
    :return: number of rows
    """
    header = next(lines)
    columns = ", ".join(f'"{name}" {"TEXT" if name in TEXT_COLUMNS else "NUMERIC"}' for name in header)
    connection.execute(f'CREATE TABLE "{table}" ({columns})')
    places = ", ".join("?" * len(header))
    return connection.executemany(f'INSERT INTO "{table}" VALUES ({places})', nulls(lines)).rowcount


def nulls(lines: Iterable[list[str]]) -> Iterator[list[str | None]]:
    """Yield rows with None where a value is missing.

    :param lines: rows in which a missing value is written ``NA``
    """
    for line in lines:
        yield [None if value == MISSING else value for value in line]
