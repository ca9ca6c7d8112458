"""What this provider adds to Airflow itself."""
