"""Addresses, secrets and the environment of every embedded process.

All state lives under one ignored folder. Ports are chosen free once and kept in
``stack.json`` so that a second start and the browser's bookmarks agree.
"""

import base64
import json
import os
import secrets
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from include.perennial.settings import Settings
from include.perennial.stand_ins import stand_ins, url

PROJECT = Path(__file__).resolve().parents[1]
LOOPBACK = "127.0.0.1"
USER = "admin"

# Half of the slots: however many models are fitted, ingest and score of every pipeline go on.
PARALLELISM, TRAINING_SLOTS = 4, 2
TRAINING_POOL = "training"

# Imported once by the scheduler's fork server: what each task would otherwise import for itself.
PRELOADED = ("airflow.executors.local_executor", "airflow.dag_processing.dagbag", "include.perennial.warm")

# Variables of the caller that must not leak into the stack: they would point it at another installation.
_FOREIGN_PREFIXES = ("AIRFLOW__", "AIRFLOW_", "MLFLOW_", "PERENNIAL_", "DVC_", "GIT_", "OPENLINEAGE_")
# Connections of pipelines are meant for whichever Airflow runs them.
_CONNECTION = "AIRFLOW_CONN_"


@dataclass(frozen=True)
class Ports:
    """One free loopback port per listening service."""

    airflow: int
    mlflow: int
    worker_log: int
    trigger_log: int


@dataclass(frozen=True)
class Stack:
    """An embedded installation: its folder, ports and secrets."""

    home: Path
    ports: Ports
    password: str
    jwt_secret: str
    fernet_key: str
    flask_secret: str

    @property
    def airflow_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.airflow}"

    @property
    def mlflow_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.mlflow}"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def airflow_db(self) -> Path:
        return self.airflow_home / "airflow.db"

    @property
    def airflow_home(self) -> Path:
        return self.home / "airflow"

    @property
    def is_prepared(self) -> bool:
        """Whether Airflow's database has its schema."""
        return self.airflow_db.exists()

    def commands(self) -> dict[str, list[str]]:
        """Every process of the stack by name, in the order in which they are started."""
        python, port = sys.executable, self.ports.mlflow
        return {
            "mlflow": [
                python, "-m", "mlflow", "server",
                "--host", LOOPBACK, "--port", str(port), "--workers", "1",
                "--backend-store-uri", f"sqlite:///{self.home / 'mlflow.db'}",
                "--artifacts-destination", str(self.home / "mlflow-artifacts"),
                "--allowed-hosts", f"{LOOPBACK}:{port},localhost:{port}",
            ],
        } | self.airflow_commands()  # fmt: skip

    def airflow_commands(self) -> dict[str, list[str]]:
        """Airflow's own processes."""
        airflow = str(Path(sys.executable).parent / "airflow")
        kept = [sys.executable, str(PROJECT / "embedded" / "keeper.py"), airflow]
        return {"api-server": [airflow, "api-server"]} | {
            name: [*kept, name] for name in ("scheduler", "dag-processor", "triggerer")
        }

    def variables(self, process: str) -> dict[str, str]:
        """What the environment of one process has of its own; ``""`` means a program that is none of them."""
        return {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"} if process == "mlflow" else {}

    def folder(self, process: str) -> Path:
        """Working folder of a process."""
        return PROJECT


def default_home() -> Path:
    """``PERENNIAL_HOME`` if set, else ``.state`` in the checkout."""
    return Path(os.environ.get("PERENNIAL_HOME", PROJECT / ".state")).resolve()


def open_stack(home: Path) -> Stack:
    """The stack of ``home``; created with fresh ports and secrets on first use.

    Raises:
        OSError: the folder cannot be written.
    """
    home.mkdir(parents=True, exist_ok=True)
    record = home / "stack.json"
    if record.exists():
        saved = json.loads(record.read_text())
        return Stack(home=home, ports=Ports(**saved.pop("ports")), **saved)
    stack = Stack(
        home=home,
        ports=Ports(*free_ports(4)),
        password=secrets.token_urlsafe(12),
        jwt_secret=secrets.token_urlsafe(64),
        fernet_key=base64.urlsafe_b64encode(os.urandom(32)).decode(),
        flask_secret=secrets.token_urlsafe(32),
    )
    fields = asdict(stack)
    del fields["home"]
    write_private(record, json.dumps(fields, indent=2))
    stack.airflow_home.mkdir(exist_ok=True)
    write_private(stack.airflow_home / "passwords.json", json.dumps({USER: stack.password}))
    return stack


def with_free_ports(stack: Stack) -> Stack:
    """The same stack on ports that are free now; kept for the next start."""
    taken = [port for port in asdict(stack.ports).values() if not _is_free(port)]
    if not taken:
        return stack
    saved = json.loads((stack.home / "stack.json").read_text())
    saved["ports"] = asdict(Ports(*free_ports(4)))
    write_private(stack.home / "stack.json", json.dumps(saved, indent=2))
    return open_stack(stack.home)


def dags_folder() -> Path:
    """``PERENNIAL_DAGS`` if set, else ``dags`` of the checkout."""
    return Path(os.environ.get("PERENNIAL_DAGS", PROJECT / "dags"))


def environment(stack: Stack, process: str = "") -> dict[str, str]:
    """The environment of a process of the stack; nothing of another installation leaks in."""
    env = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_CONNECTION) or not name.startswith(_FOREIGN_PREFIXES)
    }
    bin_folder = str(Path(sys.executable).parent)
    env["PATH"] = os.pathsep.join([bin_folder, env.get("PATH", os.defpath)])
    env["PYTHONPATH"] = str(PROJECT)
    engine = _engine(stack)
    standing = {name: url(file) for name, (_, file) in stand_ins(Settings.from_env(engine), env).items()}
    return env | engine | _airflow(stack) | _quiet() | standing | stack.variables(process)


def _engine(stack: Stack) -> dict[str, str]:
    return {
        "PERENNIAL_HOME": str(stack.home),
        "PERENNIAL_PIPELINES": os.environ.get("PERENNIAL_PIPELINES", str(PROJECT / "include" / "pipelines")),
        "PERENNIAL_AIRFLOW_URL": stack.airflow_url,
        "PERENNIAL_TRAINING_POOL": TRAINING_POOL,
        "MLFLOW_TRACKING_URI": stack.mlflow_url,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    }


def _airflow(stack: Stack) -> dict[str, str]:
    options = {
        "core": {
            "dags_folder": str(dags_folder()),
            "plugins_folder": str(PROJECT / "plugins"),
            "load_examples": "False",
            "executor": "LocalExecutor",
            "parallelism": str(PARALLELISM),
            "max_active_tasks_per_dag": str(PARALLELISM),
            "fernet_key": stack.fernet_key,
            "simple_auth_manager_users": f"{USER}:admin",
            "simple_auth_manager_passwords_file": str(stack.airflow_home / "passwords.json"),
            "execution_api_server_url": f"{stack.airflow_url}/execution/",
            "dagbag_import_error_tracebacks": "False",
            "mp_forkserver_preload": ",".join(PRELOADED),
        },
        "database": {"sql_alchemy_conn": f"sqlite:///{stack.airflow_db}?timeout=30"},
        "scheduler": {
            # Orchestration costs what the loop sleeps: 0.1 s idle sleep took six steps from 7.2 s to 1.9 s.
            "scheduler_idle_sleep_time": "0.1",
            # The heavy libraries are imported once, in the fork server, not once per task.
            "mp_start_method": "forkserver",
            # After a crash the work is taken up again within a minute instead of five.
            "task_instance_heartbeat_timeout": "60",
            "orphaned_tasks_check_interval": "30",
            "scheduler_health_check_threshold": "15",
        },
        "workers": {"min_heartbeat_interval": "1"},
        "dag_processor": {"refresh_interval": "5", "min_file_process_interval": "30"},
        "api": {
            "host": LOOPBACK,
            "port": str(stack.ports.airflow),
            "workers": "1",
            "secret_key": stack.flask_secret,
            "enable_swagger_ui": "False",
            "base_url": stack.airflow_url,
        },
        "api_auth": {"jwt_secret": stack.jwt_secret},
        "logging": {
            "base_log_folder": str(stack.airflow_home / "logs"),
            "worker_log_server_port": str(stack.ports.worker_log),
            "trigger_log_server_port": str(stack.ports.trigger_log),
        },
    }
    flat = {
        f"AIRFLOW__{section.upper()}__{key.upper()}": value
        for section, entries in options.items()
        for key, value in entries.items()
    }
    return flat | {"AIRFLOW_HOME": str(stack.airflow_home)}


def _quiet() -> dict[str, str]:
    """Nothing phones home; one thread per numeric library, since tasks already use both cores."""
    return {
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DVC_NO_ANALYTICS": "1",
        "GX_ANALYTICS_ENABLED": "false",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore::SyntaxWarning",
    }


def write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    try:
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
