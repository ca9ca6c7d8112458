"""What Airflow knows of a connection. Only ``airflow dms ...`` comes here."""

from __future__ import annotations


def connection_type(conn_id: str) -> str | None:
    """Return the type of an Airflow connection, ``None`` if there is no such connection here."""
    from airflow.models import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = Connection.get_connection_from_secrets(conn_id).conn_type
    except AirflowNotFoundException:
        return None
    return None if found is None else str(found)
