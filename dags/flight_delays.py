"""The Airflow DAGs of include/pipelines/flight_delays. One such file per pipeline: a broken folder breaks only its own."""

from perennial_dags import build_dags

build_dags("flight_delays")
