"""Scripts in other languages than SQL, and data in them. Needs no Airflow."""
