"""The table that is audited: flights, made by the database itself."""

from __future__ import annotations

from contextlib import closing

from dev.services import Server

NAME = "flights"
COLUMNS = (
    "id",
    "day",
    "carrier",
    "flight",
    "tail_number",
    "origin",
    "destination",
    "delay",
    "distance",
    "note",
    "loaded_at",
)
_TYPES = """
id bigint NOT NULL, day date NOT NULL, carrier varchar(2) NOT NULL, flight integer NOT NULL,
tail_number varchar(8), origin varchar(3) NOT NULL, destination varchar(3) NOT NULL, delay numeric(8, 2),
distance double precision NOT NULL, note varchar(40), loaded_at timestamp NULL
"""
_FILL = {
    "postgres": """
INSERT INTO flights SELECT n, date '2013-01-01' + (n % 365)::int,
  substr('AAUADLB6WN', 1 + 2 * (n % 5)::int, 2), n % 6000,
  CASE WHEN n % 50 > 0 THEN 'N' || n * 7919 % 4000 END,
  substr('EWRJFKLGA', 1 + 3 * (n % 3)::int, 3),
  chr(65 + (n % 26)::int) || chr(65 + (n / 26 % 26)::int) || 'X',
  CASE WHEN n % 37 > 0 THEN (n * 7919 % 40000) / 100.0 - 30 END, n * 31 % 5000,
  CASE WHEN n % 3 > 0 THEN 'note ' || n % 1000 END, timestamp '2013-01-01' + (n * 6 || ' s')::interval
FROM generate_series(1, {rows}::bigint) n
""",
    "mariadb": """
INSERT INTO flights SELECT seq, date '2013-01-01' + INTERVAL (seq % 365) DAY,
  substr('AAUADLB6WN', 1 + 2 * (seq % 5), 2), seq % 6000,
  if(seq % 50 > 0, concat('N', seq * 7919 % 4000), NULL),
  substr('EWRJFKLGA', 1 + 3 * (seq % 3), 3),
  concat(char(65 + seq % 26), char(65 + floor(seq / 26) % 26), 'X'),
  if(seq % 37 > 0, (seq * 7919 % 40000) / 100 - 30, NULL), seq * 31 % 5000,
  if(seq % 3 > 0, concat('note ', seq % 1000), NULL),
  timestamp '2013-01-01 00:00:00' + INTERVAL seq * 6 SECOND
FROM seq_1_to_{rows}
""",
}
_ANALYZE = {"postgres": "VACUUM ANALYZE flights", "mariadb": "ANALYZE TABLE flights"}


def make_table(server: Server, rows: int) -> None:
    """Make the table, and let the database get to know it."""
    with closing(server.connect(autocommit=True)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(f"CREATE TABLE flights ({_TYPES}, PRIMARY KEY (id))")
        cursor.execute(_FILL[server.kind].format(rows=rows))
        cursor.execute(_ANALYZE[server.kind])
