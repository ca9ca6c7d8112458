"""Operators, sensors, hooks, triggers and policies that run DMS task flows on Apache Airflow."""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__"]
