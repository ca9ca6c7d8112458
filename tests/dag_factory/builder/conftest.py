"""A spec with something in every key that the builder reads."""

from __future__ import annotations

from pathlib import Path

import pytest

SPEC = """\
version: 1
id: daily_flights
name: 每日航班
description: Loads *yesterday's* flights.
scenario: operations
owner: alice
stakeholders: [bob, carol]
error_handling: complete_unrelated_tasks
concurrency: parallel_mode_1
timeout: 3h
locale: en
pool: nights
schedule:
  timezone: Europe/Berlin
  week: {days: [mon, thu], at: 00:30}
variables:
  month: yyyyMM|-1M
constants:
  region: east
secrets:
  token: report_token
nodes:
  note:
    type: single_instance_sql
    after: [many, load]
    database: warehouse
    sql: |
      INSERT INTO notes VALUES ('```${late}`', '{{ ds }}')
  load:
    type: single_instance_sql
    name: 装载
    description: Loads the day.
    database: warehouse
    sql_file: load.sql
    transaction: true
    retry: {count: 2, interval: 30s}
    timeout: 5m
    queue: big
    pool: days
    variables:
      year: yyyy
  late:
    type: sql_assignment
    after: [load]
    database: warehouse
    sql: SELECT count(*) FROM report_${month}
    outputs:
      late: {row: 0, column: all, combiner: ",", type: number, if_empty: "0"}
  many:
    type: conditional_branch
    after: [late]
    condition: ${late} > 100 || one_failed
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """The spec as a file, with its SQL file beside it."""
    (tmp_path / "load.sql").write_text("DELETE FROM report_${month} WHERE region = '${region}';\n")
    path = tmp_path / "daily.flow.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path
