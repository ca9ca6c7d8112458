"""Benchmark of memory: ``python -m dev.bench.memory``.

Prints the peak of the memory of task processes that a real Airflow starts: of one that does nothing, and of
nodes that take one cell of a large result, the first or the last, or unload all of it to object storage.
"""

from __future__ import annotations

import argparse
import sys

from dev.bench.memory.flows import DATABASES, KINDS
from dev.bench.memory.measure import measure


def main() -> None:
    """Run the benchmark; it fails where a node takes more than it may."""
    parser = argparse.ArgumentParser(prog="python -m dev.bench.memory", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="of each result")
    parser.add_argument("--most", type=float, default=80.0, help="MB that a node may take over an idle task")
    parser.add_argument("--database", choices=DATABASES, help="one database only")
    parser.add_argument("--node", choices=KINDS, help="one kind of node only")
    arguments = parser.parse_args()
    databases = list(DATABASES) if arguments.database is None else [arguments.database]
    kinds = list(KINDS) if arguments.node is None else [arguments.node]
    if not measure(arguments.rows, arguments.most, databases, kinds):
        sys.exit("a node takes more memory than it may")


if __name__ == "__main__":
    main()
