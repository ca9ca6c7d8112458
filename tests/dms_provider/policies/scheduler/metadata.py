"""Airflow's metadata database for one process of the tests."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from dev.services import Server

_SETTING = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


@contextmanager
def metadata_database(server: Server) -> Iterator[str]:
    """Make a database with Airflow's tables, and have this process take it for its Airflow's.

    :param server: a running PostgreSQL
    """
    from airflow import settings
    from airflow.utils.db import initdb

    name = f"metadata_{secrets.token_hex(4)}"
    with server.connect(dbname="postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    before = os.environ.get(_SETTING)
    os.environ[_SETTING] = (
        f"postgresql+psycopg2://{server.user}:{server.password}@{server.host}:{server.port}/{name}"
    )
    try:
        _connect_again()
        initdb()
        settings.Session.remove()
        yield name
    finally:
        if before is None:
            del os.environ[_SETTING]
        else:
            os.environ[_SETTING] = before
        _connect_again()
        with server.connect(dbname="postgres", autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _connect_again() -> None:
    from airflow import settings

    settings.dispose_orm()
    settings.configure_vars()
    settings.configure_orm()
