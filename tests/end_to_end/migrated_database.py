"""Databases that Airflow has migrated: a server migrates one, and each further one is a copy of it."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

from dev.services import Server

_migrated: WeakKeyDictionary[Server, str] = WeakKeyDictionary()
"""Server -> name of a database in it that Airflow has migrated and nobody uses."""


def make_migrated_database(server: Server, name: str, migrate: Callable[[], None]) -> None:
    """Make a database that Airflow can use.

    :param server: a running PostgreSQL
    :param migrate: lets Airflow migrate the empty database; called for the first one in a server
    """
    if server in _migrated:
        create_database(server, name, _migrated[server])
        return
    create_database(server, name)
    migrate()
    template = f"{name}_migrated"
    create_database(server, template, name)
    _migrated[server] = template


def create_database(server: Server, name: str, template: str = "template1") -> None:
    """Make a database as a copy of another, which nobody uses at that moment."""
    with server.connect(dbname="postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
