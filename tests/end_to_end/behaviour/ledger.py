"""The database in which the nodes of scenarios do their work, and what is read of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dev.services import Server
from tests.end_to_end.behaviour.scenario import ALWAYS, Behaviour

CONNECTION = "ledger"
"""Airflow connection id of the database."""

LONGEST = 300
"""Seconds after which a node that hangs, or waits for what does not come, fails by itself."""

_NEVER = 1_000_000

_SET_UP = f"""
DROP SCHEMA IF EXISTS behaviour CASCADE;
CREATE SCHEMA behaviour;
CREATE TABLE behaviour.ledger (
    id bigserial PRIMARY KEY, flow text, run text, node text, what text,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON behaviour.ledger (flow, run, node);
CREATE TABLE behaviour.plans (
    flow text, run text, node text, until boolean, takes float, fails integer, killed integer,
    PRIMARY KEY (flow, run, node)
);
CREATE TABLE behaviour.released (flow text, run text, node text);
CREATE TABLE behaviour.signs (
    flow text, run text, node text, at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE FUNCTION behaviour.work(the_flow text, the_run text, the_node text) RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    tries integer;
    plan behaviour.plans;
    deadline timestamptz := clock_timestamp() + interval '{LONGEST} s';
BEGIN
    SELECT count(*) INTO tries FROM behaviour.ledger
    WHERE flow = the_flow AND run = the_run AND node = the_node AND what = 'begin';
    SELECT * INTO STRICT plan FROM behaviour.plans
    WHERE flow = the_flow AND run IN (the_run, '') AND node = the_node ORDER BY run DESC LIMIT 1;
    -- a node that only reads leaves no row: it is always in its first try
    tries := greatest(tries, 1);
    WHILE tries <= plan.killed OR plan.until AND NOT EXISTS (
        SELECT FROM behaviour.released WHERE flow = the_flow AND run = the_run AND node = the_node
    ) LOOP
        IF clock_timestamp() > deadline THEN
            RAISE EXCEPTION 'what this node waits for has not come';
        END IF;
        PERFORM pg_sleep(0.2);
    END LOOP;
    PERFORM pg_sleep(plan.takes);
    IF tries <= plan.fails THEN
        RAISE EXCEPTION 'try % fails as the scenario says', tries;
    END IF;
    RETURN tries;
END $$;
"""

_WORK = re.compile(r"behaviour\.work\(\s*'([^']*)',\s*'([^']*)',\s*'([^']*)'")


@dataclass(frozen=True)
class Row:
    """One row of the ledger: a node's try ``begin``\\ s to work or comes to the ``end`` of its work."""

    flow: str
    run: str
    node: str
    what: str
    at: float


class Ledger:
    """A connection to the database in which nodes work.

    :param server: a running PostgreSQL
    """

    def __init__(self, server: Server) -> None:
        self._connection: Any = server.connect(autocommit=True)
        self._known: set[int] = set()

    def set_up(self) -> None:
        """Make what the nodes work with, anew."""
        self._connection.execute(_SET_UP)

    def new_rows(self) -> list[Row]:
        """Return the rows that have come since the last call."""
        # ids are given before a commit, so a lower one may come later
        rows = self._connection.execute(
            "SELECT id, flow, run, node, what, extract(epoch FROM at)::float FROM behaviour.ledger"
            " WHERE id > %s ORDER BY id",
            (max(self._known, default=0) - 100,),
        ).fetchall()
        new = [Row(*row[1:]) for row in rows if row[0] not in self._known]
        self._known.update(row[0] for row in rows)
        return new

    def at_work(self) -> set[tuple[str, str, str]]:
        """Return flow, run id and node of each piece of work that the server does at this moment."""
        rows = self._connection.execute(
            "SELECT query FROM pg_stat_activity WHERE state = 'active' AND datname = current_database()"
            " AND pid <> pg_backend_pid()"
        ).fetchall()
        return {(found[1], found[2], found[3]) for (query,) in rows if (found := _WORK.search(query))}

    def plan(self, flow: str, run: str, node: str, behaviour: Behaviour) -> None:
        """Say how the work of a node goes.

        :param run: run id; empty: in all runs of which nothing else is said
        """
        values = (
            behaviour.until is not None,
            LONGEST if behaviour.hangs else behaviour.takes,
            _NEVER if behaviour.fails == ALWAYS else behaviour.fails,
            behaviour.killed,
        )
        self._connection.execute(
            "INSERT INTO behaviour.plans VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (flow, run, node)"
            " DO UPDATE SET (until, takes, fails, killed) ="
            " (excluded.until, excluded.takes, excluded.fails, excluded.killed)",
            (flow, run, node, *values),
        )

    def release(self, flow: str, run: str, node: str) -> None:
        """Say that what a node's work waits for has come."""
        self._connection.execute("INSERT INTO behaviour.released VALUES (%s, %s, %s)", (flow, run, node))

    def give_sign(self, flow: str, run: str, node: str) -> None:
        """Put down the row that a node in the triggerer looks for."""
        self._connection.execute(
            "INSERT INTO behaviour.signs (flow, run, node) VALUES (%s, %s, %s)", (flow, run, node)
        )

    def forget(self, flow: str, run: str) -> None:
        """Stop what a run still does on the server."""
        self._connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE position('behaviour.work(''' || %s || ''', ''' || %s || '''' in query) > 0"
            " AND pid <> pg_backend_pid()",
            (flow, run),
        )

    def close(self) -> None:
        """End the connection."""
        self._connection.close()
