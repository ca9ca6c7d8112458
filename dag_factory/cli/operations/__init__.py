"""``airflow dms ...`` for flows and runs that Airflow has; only its command line comes here."""
