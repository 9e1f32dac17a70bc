# One image for Airflow's processes and MLflow: the pins of requirements.txt on a slim Python.
FROM python:3.12-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 50000 airflow && mkdir -p /opt/perennial /registry && chown airflow /opt/perennial /registry
WORKDIR /opt/perennial
COPY requirements.txt .
# bike_demand reads one file of ISLP; what its code would ask for is left out.
RUN pip install --no-cache-dir -r requirements.txt && pip install --no-cache-dir --no-deps ISLP==0.6.0
COPY --chown=airflow . .
ENV AIRFLOW_HOME=/opt/perennial \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/perennial/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/perennial/plugins \
    PYTHONPATH=/opt/perennial
USER airflow
