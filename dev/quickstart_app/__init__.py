"""The program behind ``dev/quickstart``: a real flow over real data in a real Airflow."""
