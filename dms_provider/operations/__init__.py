"""What a person does with flows and their runs: start, rerun, restore, stop, freeze.

Reads and writes Airflow's metadata by its own functions, as its command line and API do, and never on a
worker. Source: DMS reference, section 6.
"""
