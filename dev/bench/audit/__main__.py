"""Benchmark of audits: ``python -m dev.bench.audit``.

Thirty rules on one table of five million rows, on PostgreSQL and MariaDB: how often the table is read, and
how long that takes beside one full scan by the database (``count(*)``, which looks at no column, and a
count of every column) and beside the same rules in common-sql's ``SQLTableCheckOperator``. Four of the rules
count distinct values; their scan is timed apart. On PostgreSQL most other rules of their columns are part of
it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile

from dev.services import MariaDBServer, PostgresServer, Server

SERVERS: dict[str, type[Server]] = {"postgres": PostgresServer, "mariadb": MariaDBServer}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m dev.bench.audit", description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000, help="rows of the table")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured")
    parser.add_argument("--only", choices=sorted(SERVERS), help="one of the servers")
    arguments = parser.parse_args()
    home = tempfile.mkdtemp(prefix="dms-bench-audit-")
    os.environ["AIRFLOW_HOME"] = home
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    try:
        for kind, server_class in SERVERS.items():
            if arguments.only in (None, kind):
                _compare(server_class, arguments.rows, arguments.rounds)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _compare(server_class: type[Server], rows: int, rounds: int) -> None:
    from dev.bench.audit.measure import measure, printable

    with server_class() as server:
        measured = measure(server, rows, rounds)
        print(
            f"\n{server.kind} {server.version}: {measured.rules} rules, {rows} rows, {rounds} rounds, medians"
        )
    print(f"{'':16}{'seconds':>9}{'x every column':>16}{'x count(*)':>12}")
    for what, seconds, ratio in printable(measured):
        print(f"{what:16}{seconds:9.2f}{ratio:16.2f}{measured.ratio(what, 'count(*)'):12.2f}")
    for who, scans in measured.scans.items():
        print(
            f"{who}: {measured.statements[who]} statements of the server, which read the table {scans} times"
        )
    print(
        f"common-sql takes {measured.ratio('common-sql', 'audit'):.1f} times as long as the audit", flush=True
    )


if __name__ == "__main__":
    main()
