"""Benchmark of policies: ``python -m dev.bench.policies``.

Prints what a flow costs under each error handling policy beside the same graph in plain Airflow, what runs
cost that wait for each other, and how soon everything is gone after a failure under immediate stop.
"""

from __future__ import annotations

import argparse

from dev.bench.policies.pairs import compare_pairs
from dev.bench.policies.stop import measure_stops
from dev.bench.policies.waiting import measure_waiting


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m dev.bench.policies", description=__doc__)
    parser.add_argument("--pairs", type=int, default=20, help="runs of each DAG that is compared")
    parser.add_argument("--waiting", type=int, default=50, help="overlapping runs under Mode 1")
    parser.add_argument("--stops", type=int, default=20, help="runs under immediate stop")
    parser.add_argument("--only", choices=["pairs", "waiting", "stop"], help="one part of the benchmark")
    arguments = parser.parse_args()
    if arguments.only in (None, "pairs"):
        compare_pairs(arguments.pairs)
    if arguments.only in (None, "waiting"):
        measure_waiting(arguments.waiting)
    if arguments.only in (None, "stop"):
        measure_stops(arguments.stops)


if __name__ == "__main__":
    main()
