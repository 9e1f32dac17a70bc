"""Addresses, secrets, commands and environments of the production stack; everything else is the laptop's."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from embedded.config import LOOPBACK, PROJECT, Ports, Stack
from embedded.git_server import REPOSITORY
from embedded.git_server import USER as GIT_USER
from embedded.production import machine, monitoring

WORKERS = ("worker-1", "worker-2")
CONTROL = "control"
SERVERS = ("postgres", "redis", "s3-store", "s3", "registry", "network")
BUCKET = "perennial"
# Databases of PostgreSQL, each with a user of the same name and a password of its own.
DATABASES = ("airflow", "mlflow", "ledger")
S3_KEY_ID = "perennial"
MLFLOW_USER = "perennial"
SECRETS = ("postgres", *DATABASES, "redis", "s3", "mlflow_admin", "registry")


@dataclass(frozen=True)
class ProductionPorts(Ports):
    """Ports of the servers as well; clients of S3 know ``s3``, a relay in front of ``s3_store``."""

    postgres: int
    redis: int
    s3: int
    s3_store: int
    registry: int
    exporter: int
    prometheus: int


@dataclass(frozen=True)
class Production(Stack):
    """The production stack below ``home``; ``isolated`` workers have networks and files of their own."""

    ports: ProductionPorts
    passwords: dict[str, str]
    isolated: bool

    @property
    def airflow_home(self) -> Path:
        return self.machine(CONTROL) / "airflow"

    @property
    def is_prepared(self) -> bool:
        return True  # ``start`` prepares the databases before Airflow is started

    @property
    def outage(self) -> Path:
        """S3 answers 503 while this file exists."""
        return self.home / "s3-outage"

    def machine(self, name: str) -> Path:
        """Home folder of a worker, or of the machine of all other Airflow processes (``control``)."""
        return self.home / "machines" / name

    def code(self, name: str) -> Path:
        """The code of a machine: a worker has a copy, the others use the checkout."""
        return self.machine(name) / "code" if name in WORKERS else PROJECT

    def folder(self, process: str) -> Path:
        # An isolated worker is started by this checkout's ``machine``, which goes to the worker's code.
        return PROJECT if self.isolated else self.code(process)

    def commands(self) -> dict[str, list[str]]:
        servers = {name: self._servers()[name] for name in SERVERS if name != "network" or self.isolated}
        workers = {name: self._worker(name) for name in WORKERS}
        mlflow = {
            "mlflow": [
                sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth",
                "--host", LOOPBACK, "--port", str(self.ports.mlflow), "--workers", "1",
                "--artifacts-destination", f"s3://{BUCKET}/mlflow",
                "--allowed-hosts", f"{LOOPBACK}:{self.ports.mlflow}",
            ],
        }  # fmt: skip
        return servers | mlflow | self.airflow_commands() | workers | monitoring.commands(self)

    def _servers(self) -> dict[str, list[str]]:
        from embedded.production.databases import postgres_command

        relay = [sys.executable, "-m", "embedded.production.relay"]
        return {
            "postgres": postgres_command(self),
            "redis": ["redis-server", str(self.home / "redis.conf")],
            "s3-store": [
                str(Path(sys.executable).parent / "rclone"), "serve", "s3", "--config", os.devnull,
                "--addr", f"{LOOPBACK}:{self.ports.s3_store}", str(self.home / "s3"),
            ],
            "s3": [*relay, f"tcp:{self.ports.s3}=tcp:{self.ports.s3_store}", "--outage", str(self.outage)],
            "registry": [
                sys.executable, "-m", "embedded.git_server",
                "--folder", str(self.home / "registry"), "--port", str(self.ports.registry),
            ],
            "network": relay + [
                f"unix:{self._sockets(worker) / f'{port}.sock'}=tcp:{port}"
                for worker in WORKERS for port in self._shared_ports()
            ],
        }  # fmt: skip

    def _worker(self, name: str) -> list[str]:
        airflow = str(Path(sys.executable).parent / "airflow")
        worker = [
            airflow, "celery", "worker", "--celery-hostname", f"{name}@perennial",
            "--skip-serve-logs", "--without-gossip", "--without-mingle",
        ]  # fmt: skip
        if not self.isolated:
            return worker
        ports = [part for port in self._shared_ports() for part in ("--port", str(port))]
        hidden = [self.home, *(PROJECT / folder for folder in ("include", "plugins", "dags"))]
        return [
            *machine.UNSHARE, sys.executable, "-m", "embedded.production.machine",
            "--sockets", str(self._sockets(name)), *ports,
            *(part for folder in hidden for part in ("--hide", str(folder))), "--keep", str(self.machine(name)),
            "--code", str(self.code(name)), "--", *worker,
        ]  # fmt: skip

    def _shared_ports(self) -> list[int]:
        ports = self.ports
        return [ports.postgres, ports.redis, ports.s3, ports.registry, ports.mlflow, ports.airflow]

    def _sockets(self, worker: str) -> Path:
        return self.machine(worker) / "net"

    def database_url(self, name: str, driver: str = "postgresql+psycopg2") -> str:
        """SQLAlchemy URL of one database, as its own user."""
        return f"{driver}://{name}:{self.passwords[name]}@{LOOPBACK}:{self.ports.postgres}/{name}"

    def variables(self, process: str) -> dict[str, str]:
        own = {
            "mlflow": self._mlflow_server,
            "exporter": lambda: {"PERENNIAL_METRICS_PORT": str(self.ports.exporter)},
            "s3-store": lambda: {"RCLONE_AUTH_KEY": f'"{S3_KEY_ID},{self.passwords["s3"]}"'},
        }
        return self._stores() | self._celery() | self._machine(process) | own.get(process, dict)()

    def _stores(self) -> dict[str, str]:
        return {
            "PERENNIAL_LEDGER": self.database_url("ledger"),
            "PERENNIAL_STORE": f"s3://{BUCKET}/store",
            "PERENNIAL_DVC_REMOTE": f"s3://{BUCKET}/dvc",
            "PERENNIAL_DATA_REGISTRY": f"http://{GIT_USER}@{LOOPBACK}:{self.ports.registry}/{REPOSITORY}",
            "PERENNIAL_DATA_REGISTRY_PASSWORD": self.passwords["registry"],
            "MLFLOW_TRACKING_USERNAME": MLFLOW_USER,
            "MLFLOW_TRACKING_PASSWORD": self.passwords["mlflow_admin"],
            "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{self.ports.s3}",
            "AWS_ACCESS_KEY_ID": S3_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": self.passwords["s3"],
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def _celery(self) -> dict[str, str]:
        return {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database_url("airflow"),
            "AIRFLOW__CELERY__BROKER_URL": f"redis://:{self.passwords['redis']}@{LOOPBACK}:{self.ports.redis}/0",
            "AIRFLOW__CELERY__RESULT_BACKEND": self.database_url("airflow", "db+postgresql+psycopg2"),
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": "2",
            "AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS": "perennial_airflow.celery_config.CELERY",
            # Longer than the longest task (execution_timeout): what a dead worker held is given out again after it.
            "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "7200",
            # What the broker lost is sent again after this many seconds.
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "15",
            # A worker's disk goes with the worker; its logs must not.
            "AIRFLOW__LOGGING__REMOTE_LOGGING": "True",
            "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": f"s3://{BUCKET}/logs",
        }

    def _machine(self, process: str) -> dict[str, str]:
        name = process if process in WORKERS else CONTROL
        home, code = self.machine(name), self.code(name)
        folders = {
            "HOME": str(home),
            "PERENNIAL_HOME": str(home / "work"),
            "AIRFLOW_HOME": str(home / "airflow"),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "airflow" / "logs"),
            "PYTHONPATH": str(self.folder(process)),
        }
        if name in WORKERS:
            folders |= {
                "PERENNIAL_PIPELINES": str(code / "include" / "pipelines"),
                "AIRFLOW__CORE__DAGS_FOLDER": str(code / "dags"),
                "AIRFLOW__CORE__PLUGINS_FOLDER": str(code / "plugins"),
            }
        return folders

    def _mlflow_server(self) -> dict[str, str]:
        return {
            "MLFLOW_BACKEND_STORE_URI": self.database_url("mlflow"),
            "MLFLOW_AUTH_CONFIG_PATH": str(self.home / "mlflow-auth.ini"),
            "MLFLOW_AUTH_ADMIN_USERNAME": MLFLOW_USER,
            "MLFLOW_AUTH_ADMIN_PASSWORD": self.passwords["mlflow_admin"],
            "MLFLOW_FLASK_SERVER_SECRET_KEY": self.flask_secret,
            "MLFLOW_S3_ENDPOINT_URL": f"http://{LOOPBACK}:{self.ports.s3}",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
