"""Timetables: what tells Airflow's scheduler when a flow runs."""
