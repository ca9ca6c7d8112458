"""Benchmark of parsing: ``python -m dev.bench.parse``.

Prints CPU time a flow beside plain Python and dag-factory, the time until all flows are live in the DAG
processor, and the parse at the start of one task.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from dev.bench.parse import build, corpus, processor, task_start
from dev.bench.parse.instance import environment


def compare_builds(count: int, rounds: int) -> None:
    """Print the medians of ``rounds`` interleaved builds of ``count`` flows."""
    home = Path(tempfile.mkdtemp(prefix="dms-bench-"))
    try:
        folders = {name: home / str(index) for index, name in enumerate(build.VARIANTS)}
        broken = corpus.write_specs(folders["flow specs"], count, broken=True)
        corpus.write_plain_python(folders["plain Python"], count)
        corpus.write_dag_factory(folders["dag-factory"], count)
        variables = environment(home, home, bundle=False)
        seconds: dict[str, list[float]] = defaultdict(list)
        imports: dict[str, list[float]] = defaultdict(list)
        for _ in range(rounds):
            for name, folder in folders.items():
                command = [sys.executable, "-m", "dev.bench.parse.build", name, str(folder), str(count)]
                done = subprocess.run(command, env=variables, check=True, capture_output=True, text=True)
                result = json.loads(done.stdout.splitlines()[-1])
                assert result["dags"] == (count - broken if name == "flow specs" else count), result
                seconds[name].append(result["build"] / count * 1000)
                imports[name].append(result["import"])
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(f"\n{count} flows of {corpus.NODES} SQL nodes, {broken} specs broken: CPU, {rounds} rounds")
    print(f"{'':14}{'ms a flow':>10}{'imports s':>11}{'flow specs / this':>19}")
    for name in folders:
        ratio = statistics.median(a / b for a, b in zip(seconds["flow specs"], seconds[name], strict=True))
        print(
            f"{name:14}{statistics.median(seconds[name]):10.2f}{statistics.median(imports[name]):11.2f}{ratio:19.2f}"
        )


def compare_processors(count: int, rounds: int) -> None:
    """Print how long the DAG processor takes until ``count`` flows are live."""
    seconds: dict[str, list[float]] = defaultdict(list)
    errors = 0
    for _ in range(rounds):
        for name in processor.VARIANTS:
            result = processor.measure(name, count)
            seconds[name].append(result.seconds)
            errors = max(errors, result.errors)
    print(f"\nDAG processor, from its start until {count} flows are live; median of {rounds} rounds")
    for name, values in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(seconds["flow specs"], values, strict=True))
        print(f"{name:14}{statistics.median(values):8.1f} s   flow specs / this: {ratio:.2f}")
    print(f"broken specs among the import errors: {errors}")


def measure_task_starts(count: int, rounds: int) -> None:
    """Print what the parse of one task start costs among ``count`` flows."""
    results = [task_start.measure(count) for _ in range(rounds)]
    print(f"\nStart of one task among {count} flows, fresh process; median and worst of {rounds} rounds")
    for scenario in task_start.SCENARIOS:
        values = [result[scenario] for result in results]
        print(f"{scenario:20}{statistics.median(values):8.1f} ms{max(values):10.1f} ms")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m dev.bench.parse", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 5000], help="how many flows")
    parser.add_argument("--rounds", type=int, default=10, help="interleaved rounds of each build")
    parser.add_argument("--live", type=int, default=1000, help="flows for the DAG processor's round")
    parser.add_argument("--only", choices=["build", "processor", "task"], help="one part of the benchmark")
    arguments = parser.parse_args()
    if arguments.only in (None, "build"):
        for count in arguments.sizes:
            compare_builds(count, arguments.rounds)
    if arguments.only in (None, "processor"):
        compare_processors(arguments.live, min(3, arguments.rounds))
    if arguments.only in (None, "task"):
        measure_task_starts(arguments.live, min(5, arguments.rounds))


if __name__ == "__main__":
    main()
