"""The Airflow DAGs of include/pipelines/bike_demand.

One such file per pipeline, so that a broken folder is an import error of its own.
"""

from perennial_dags import build_dags

build_dags("bike_demand")
