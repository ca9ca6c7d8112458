"""A flow becomes a DAG. The only place that knows both the words of flow specs and Airflow's."""

from __future__ import annotations

from dag_factory.builder.dag import build_dag

__all__ = ["build_dag"]
