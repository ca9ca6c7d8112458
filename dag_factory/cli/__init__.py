"""The command line: ``python -m dag_factory ...`` and ``airflow dms ...``."""
