"""Who does an operation."""

from __future__ import annotations


def person() -> str | None:
    """Return the name of the operating system's user, as Airflow's own commands do, if it has one."""
    from airflow.exceptions import AirflowConfigException
    from airflow.utils.platform import getuser

    try:
        return getuser()
    except (AirflowConfigException, OSError):
        return None
