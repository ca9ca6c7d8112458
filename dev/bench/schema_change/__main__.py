"""Benchmark of lock-free schema change: ``python -m dev.bench.schema_change``.

Changes a table of 262,144 rows while four writers work on it, as the statement itself does it and lock-free,
on each server; prints how long a writer had to wait at most, and fails if that is more than a quarter.
"""

from __future__ import annotations

import argparse
import sys

from dev.bench.schema_change.waits import compare


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m dev.bench.schema_change", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="changes in each way")
    sys.exit(None if compare(parser.parse_args().rounds) else "a writer waited for too long")


if __name__ == "__main__":
    main()
