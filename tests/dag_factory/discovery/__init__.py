"""Tests of how Airflow finds specs."""
