"""The database in which the nodes of cases work: each try waits until the case says how it ends."""

from __future__ import annotations

from typing import Any

from dev.services import Server

LONGEST = 1800
"""Seconds after which a try fails by itself."""

_SELF = "'${flow_id}', '${run_id}', '${node_id}'"
WORK = f"""
INSERT INTO model.ledger (flow, run, node, what) VALUES ({_SELF}, 'begin');
SELECT model.work({_SELF});
INSERT INTO model.ledger (flow, run, node, what) VALUES ({_SELF}, 'end');
"""
"""What a node that does work executes."""

_SET_UP = f"""
DROP SCHEMA IF EXISTS model CASCADE;
CREATE SCHEMA model;
CREATE TABLE model.ledger (
    flow text, run text, node text, what text, at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON model.ledger (flow, run, node);
CREATE TABLE model.endings (
    flow text, run text, node text, try integer, how text, PRIMARY KEY (flow, run, node, try)
);
CREATE FUNCTION model.work(the_flow text, the_run text, the_node text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    the_try integer;
    told text;
    deadline timestamptz := clock_timestamp() + interval '{LONGEST} s';
BEGIN
    SELECT count(*) INTO the_try FROM model.ledger
    WHERE flow = the_flow AND run = the_run AND node = the_node AND what = 'begin';
    WHILE clock_timestamp() < deadline LOOP
        SELECT how INTO told FROM model.endings WHERE flow = the_flow AND run IN (the_run, 'every run')
            AND node IN (the_node, 'every node') AND try IN (the_try, 0);
        IF told = 'ok' THEN
            RETURN told;
        ELSIF told = 'fail' THEN
            RAISE EXCEPTION 'try % fails, as the case says', the_try;
        END IF;
        PERFORM pg_sleep(0.2);
    END LOOP;
    RAISE EXCEPTION 'nobody has said how this try ends';
END $$;
"""


class Ledger:
    """A connection to that database.

    :param server: a running PostgreSQL
    """

    def __init__(self, server: Server) -> None:
        self._connection: Any = server.connect(autocommit=True)

    def set_up(self) -> None:
        """Make the tables anew."""
        self._connection.execute(_SET_UP)

    def end(self, flow: str, run_id: str, node: str, number: int, how: str) -> None:
        """Say how a try ends.

        :param number: of the try, from 1 on
        :param how: ``ok`` or ``fail``
        """
        self._connection.execute(
            "INSERT INTO model.endings VALUES (%s, %s, %s, %s, %s)", (flow, run_id, node, number, how)
        )

    def end_all(self, flow: str) -> None:
        """Let every try of a flow fail, now and later."""
        self._connection.execute(
            "INSERT INTO model.endings VALUES (%s, 'every run', 'every node', 0, 'fail')"
            " ON CONFLICT DO NOTHING",
            (flow,),
        )

    def rows(self, flows: list[str]) -> list[tuple[str, str, str, str, float]]:
        """Return flow, run id, node, ``begin`` or ``end``, and time of all that was done."""
        found: list[tuple[str, str, str, str, float]] = self._connection.execute(
            "SELECT flow, run, node, what, extract(epoch FROM at)::float FROM model.ledger"
            " WHERE flow = ANY(%s) ORDER BY at",
            (flows,),
        ).fetchall()
        return found

    def close(self) -> None:
        """End the connection."""
        self._connection.close()
