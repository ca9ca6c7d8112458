"""Waiting loops that run in Airflow's triggerer."""
