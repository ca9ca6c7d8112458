"""A small model of what the policies promise, and real runs that must agree with it.

Written from the truth table of the policies alone; only :mod:`~tests.end_to_end.model.player` and the modules
below it know Airflow, and none knows how the product does what it does.
"""
