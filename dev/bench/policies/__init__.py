"""What the policies of flows cost while they run, beside plain Airflow."""
