from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dag_factory.cli.main import main

FLOW = """\
version: 1
id: daily
owner: alice
schedule:
  effective: {to: 2999-12-31}
  day: {at: 02:55}
variables: {month: yyyyMM|-1M}
constants: {region: east}
secrets: {token: report_token}
nodes:
  late:
    type: sql_assignment
    database: warehouse
    sql: SELECT count(*) FROM flights WHERE day = '${bizdate}' AND region = '${region}'
    outputs:
      late_flights: {row: 0, column: 0, type: number}
      carrier: {row: 0, column: 1}
  many:
    type: conditional_branch
    after: [late]
    condition: ${late_flights} > 100
  report:
    type: single_instance_sql
    after: [many]
    database: warehouse
    sql: |
      DELETE FROM report_${month};
      INSERT INTO report_${month} VALUES ('${carrier}', ${late_flights}, '${token}', '${run_id}')
"""


class Outcome(NamedTuple):
    """What a command gave: its exit status, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run one command as ``python -m dag_factory`` does."""

    def run(*arguments: str | Path) -> Outcome:
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as error:
            status = int(str(error.code))
        printed = capsys.readouterr()
        return Outcome(status, printed.out, printed.err)

    return run


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A good flow in a folder of its own."""
    path = tmp_path / "flows" / "daily.flow.yaml"
    path.parent.mkdir()
    path.write_text(FLOW)
    return path
