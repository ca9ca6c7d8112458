"""The model check: many random cases on a real Airflow, and deliberate faults that it must find."""
