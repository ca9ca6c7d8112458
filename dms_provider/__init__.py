"""What runs DMS task flows on Apache Airflow: operators, a timetable, and the languages of their texts."""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__"]
