"""Airflow and MLflow on one machine, for `make run` and `make up`.

``config``     where everything lives, which ports, the environment of every process
``processes``  start in own process groups, wait until healthy, stop without orphans
``airflow_api``  the REST calls that a person's browser makes
``plan``       which partitions a run takes
``job``        `make run`: backfill, train, watch, report
``report``     the result table
``__main__``   the commands behind the Makefile
"""
