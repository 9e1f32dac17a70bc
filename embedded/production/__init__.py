"""The production stack from Debian's and PyPI's packages, for `make production`, its test and the fault campaign.

PostgreSQL, Redis with a password, an S3 server, Git behind HTTP, MLflow with a password, and Airflow with the
Celery executor and two workers, each with a home, code and work folder of its own and, where the system lets it,
a network of its own. They share PostgreSQL, Redis, S3, MLflow, the data registry's URL and Airflow's API.

``stack``      addresses, secrets, commands and the environment of each process: what differs from a laptop
``create``     folders, ports and secrets of a new one
``start``      servers first, then databases, then Airflow; what is missing on this machine
``databases``  PostgreSQL's cluster, users and databases
``machine``    runs a worker with its own network and files
``monitoring`` Prometheus and the exporter of the loop's metrics, where it is installed
``relay``      passes a port on; answers 503 while it is told to
``__main__``   `make production`: the whole loop through it, with the tables
"""
