"""How Airflow finds flow specs: a DAG bundle, and a loader for a plain DAGs folder."""
