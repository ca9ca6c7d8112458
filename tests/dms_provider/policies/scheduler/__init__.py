"""The start and the end of runs, through the code of Airflow's scheduler, on a real metadata database."""
