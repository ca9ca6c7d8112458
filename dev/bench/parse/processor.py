"""How long the DAG processor takes from its start until every flow of a folder is live."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dev.bench.parse import corpus
from dev.bench.parse.instance import airflow, migrated
from dev.services import Server

LONGEST = 1800.0


@dataclass(frozen=True)
class Round:
    """One start of the DAG processor.

    :param seconds: until the last flow was live
    :param errors: broken specs among the import errors
    """

    seconds: float
    errors: int


def _specs(folder: Path, count: int) -> int:
    return count - corpus.write_specs(folder, count, broken=True)


def _dag_factory(folder: Path, count: int) -> int:
    corpus.write_dag_factory(folder, count)
    loader = (
        f"from dagfactory import load_yaml_dags\nload_yaml_dags(globals(), dags_folder={str(folder)!r})\n"
    )
    (folder / "load.py").write_text(f"# airflow dag\n{loader}", encoding="utf-8")
    return count


VARIANTS: dict[str, tuple[Callable[[Path, int], int], bool]] = {
    "flow specs": (_specs, True),
    "dag-factory": (_dag_factory, False),
}


def measure(variant: str, count: int) -> Round:
    """Run one DAG processor over ``count`` flows with an empty database.

    :raises TimeoutError: not all flows were live within half an hour
    """
    write, bundle = VARIANTS[variant]
    home = Path(tempfile.mkdtemp(prefix="dms-bench-"))
    try:
        dags = home / "dags"
        expected = write(dags, count)
        with migrated(home, dags, bundle=bundle) as (database, variables):
            started = time.monotonic()
            processor = subprocess.Popen(
                [*airflow(), "dag-processor"],
                env=dict(variables),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                seconds = _until_live(database, expected, started)
                return Round(seconds, _errors(database, count - expected))
            finally:
                os.killpg(processor.pid, signal.SIGKILL)
                processor.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _until_live(database: Server, expected: int, started: float) -> float:
    live = -1
    with database.connect(autocommit=True) as connection:
        while (elapsed := time.monotonic() - started) < LONGEST:
            (live,) = connection.execute("SELECT count(*) FROM serialized_dag").fetchone()
            if live >= expected:
                return elapsed
            time.sleep(0.1)
    raise TimeoutError(f"{live} of {expected} flows were live after {LONGEST:.0f} s")


def _errors(database: Server, expected: int) -> int:
    errors = 0
    give_up = time.monotonic() + 60
    with database.connect(autocommit=True) as connection:
        while errors < expected and time.monotonic() < give_up:
            (errors,) = connection.execute("SELECT count(*) FROM import_error").fetchone()
            time.sleep(0.2)
    return errors
