"""How flows behave, as data: scenarios that run on one real Airflow, and what was seen of them."""
