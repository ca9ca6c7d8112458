"""Tests against a whole Airflow: scheduler, dag-processor, API server, over PostgreSQL."""
