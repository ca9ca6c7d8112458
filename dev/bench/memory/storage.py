"""The double of object storage in a process of its own, which counts what it gets and keeps nothing.

Run as ``python -m dev.bench.memory.storage`` by the benchmark; it ends when its input does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.doubles.oss import ObjectStorage


@contextmanager
def running_storage() -> Iterator[dict[str, Any]]:
    """Start it, and give an Airflow connection to it."""
    command = [sys.executable, "-m", "dev.bench.memory.storage"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            connection: dict[str, Any] = json.loads(process.stdout.readline())
            yield connection
        finally:
            process.stdin.close()


if __name__ == "__main__":
    with ObjectStorage(keeps=False) as storage:
        print(json.dumps(storage.connection()), flush=True)
        sys.stdin.read()
