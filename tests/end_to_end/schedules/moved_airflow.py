"""An Airflow whose clock can be moved, its database's ``now()`` included."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from dev.services import Server
from tests.end_to_end.airflow_instance import AirflowInstance
from tests.end_to_end.migrated_database import create_database
from tests.end_to_end.schedules.moved_clock import MovedClock

SETTINGS = {
    # files keep their real times, which lie ahead of the clock
    "DAG_PROCESSOR__FILE_PARSING_SORT_MODE": "alphabetical",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "1",
    # so few that two schedulers share the work of a slot
    "SCHEDULER__MAX_DAGRUNS_TO_CREATE_PER_LOOP": "4",
}
BEFORE = timedelta(seconds=1)
"""How long before a slot the clock is put, so that all programs have seen it by then."""


class MovedAirflow(AirflowInstance):
    """Every process of this instance lives in the time of one :class:`MovedClock`.

    :param database_server: a running PostgreSQL, which itself stays in real time
    :param start: what the clock shows at first; aware
    :param arguments: as of :class:`AirflowInstance`
    """

    def __init__(
        self,
        database_server: Server,
        *,
        start: datetime,
        settings: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(database_server, settings={**SETTINGS, **(settings or {})}, **arguments)
        self.clock = MovedClock(self.home, start)
        self.environment.update(self.clock.environment)

    def _make_database(self) -> None:
        """Make a database in which ``now()``, by which Airflow finds what is due, is the moved clock's."""
        create_database(self.server, self.database)
        with self.server.connect(dbname=self.database, autocommit=True) as connection:
            connection.execute("CREATE TABLE moved_clock (ahead interval)")
            connection.execute("INSERT INTO moved_clock VALUES (%s)", (self.clock.ahead,))
            connection.execute(
                "CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql STABLE AS "
                "'SELECT pg_catalog.now() + ahead FROM public.moved_clock'"
            )
            connection.execute(f'ALTER DATABASE "{self.database}" SET search_path = public, pg_catalog')
        self._migrate()

    def move_clock(self, to: datetime) -> None:
        """Put the clock forward. Nothing may be running then: it would seem to have lost its heartbeat."""
        self.clock.move(to)
        with self.server.connect(dbname=self.database, autocommit=True) as connection:
            connection.execute("UPDATE moved_clock SET ahead = %s", (self.clock.ahead,))
        self.log_in_again()

    def write_flow(self, flow: str, text: str) -> None:
        """Write or replace a spec in one step, as deployments do."""
        path: Path = self.dags / f"{flow}.flow.yaml"
        draft = path.with_suffix(".part")
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)

    def wait_for_slot(self, slot: datetime) -> None:
        """Put the clock to just before a moment, and wait until all that comes of it is over."""
        self.move_clock(slot - BEFORE)
        self.wait_until_quiet(slot)

    def wait_until_quiet(self, since: datetime) -> None:
        """Wait until all flows were parsed after a moment, and nothing is due, queued or running."""

        def is_quiet() -> bool:
            dags = [dag for dag in self.get("/dags", limit=1000)["dags"] if not dag["is_stale"]]
            now = self.clock.now()
            planned = [dag["next_dagrun_run_after"] for dag in dags if not dag["is_paused"]]
            return (
                all(_moment(dag["last_parsed_time"]) > since for dag in dags)
                and all(_moment(moment) > now for moment in planned if moment is not None)
                and self.get("/dags/~/dagRuns", state=["queued", "running"], limit=1)["total_entries"] == 0
            )

        self.wait_for(is_quiet, f"everything to be over, since {since}")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
