# One image for Airflow's processes and MLflow: the pins of requirements.txt on a slim Python.
FROM python:3.12-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 50000 airflow && mkdir -p /opt/perennial /registry && chown airflow /opt/perennial /registry
WORKDIR /opt/perennial
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY --chown=airflow . .
ENV AIRFLOW_HOME=/opt/perennial \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/perennial/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/perennial/plugins \
    PYTHONPATH=/opt/perennial
USER airflow
