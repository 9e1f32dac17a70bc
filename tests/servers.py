"""Real servers for tests: MLflow, S3 (rclone) and PostgreSQL, on loopback, each in a process group of its own."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from include.perennial.settings import S3Access

_BIN = Path(sys.executable).parent
_READY_S = 90
_QUIET = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(home: Path) -> Iterator[str]:
    """``mlflow server`` on SQLite that also serves the artifacts; yields its URI."""
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}"),
        *("--artifacts-destination", str(home / "artifacts"), "--serve-artifacts"),
    ]
    with _running(command, home, lambda: _answers(f"{uri}/health")):
        yield uri


@contextmanager
def s3_server(home: Path) -> Iterator[tuple[S3Access, str]]:
    """``rclone serve s3``, which checks signatures; yields access to it and the name of an empty bucket."""
    port, bucket = free_port(), "perennial-test"
    (home / "buckets" / bucket).mkdir(parents=True)
    access = S3Access(f"http://127.0.0.1:{port}", "test-key-id", "test-secret-key", "us-east-1")
    command = [
        *(str(_BIN / "rclone"), "serve", "s3", "--config", os.devnull, "--addr", f"127.0.0.1:{port}"),
        *("--auth-key", f"{access.access_key_id},{access.secret_access_key}", str(home / "buckets")),
    ]
    with _running(command, home, lambda: _answers(f"http://127.0.0.1:{port}/")):
        yield access, bucket


@contextmanager
def postgres_server() -> Iterator[str]:
    """PostgreSQL of the operating system, as an unprivileged user on a Unix socket; yields a SQLAlchemy URL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    initdb = str(found[-1]) if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    home = Path(tempfile.mkdtemp(prefix="perennial-pg-"))
    user: dict[str, object] = {}
    if os.geteuid() == 0:  # initdb refuses root
        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
    try:
        initialise = [initdb, "-D", str(home / "data"), "-U", "ledger", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(initialise, check=True, capture_output=True, timeout=_READY_S, cwd=home, **user)
        server = Path(initdb).with_name("postgres")
        command = [str(server), "-D", str(home / "data"), "-c", "listen_addresses=", "-k", str(home)]
        with _running(command, home, lambda: _accepts(home), stop=signal.SIGINT, **user):
            yield f"postgresql+psycopg2://ledger@/postgres?host={home}"
    finally:
        shutil.rmtree(home)


@contextmanager
def _running(
    command: list[str], home: Path, is_ready: Callable[[], bool], stop: int = signal.SIGTERM, **options: object
) -> Iterator[None]:
    log = home / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=home,
            env=os.environ | _QUIET,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )
    try:
        deadline = time.monotonic() + _READY_S
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        yield
    finally:
        _end_group(process, stop)


def _end_group(process: subprocess.Popen[bytes], stop: int) -> None:
    """Ask the whole group to end, then make it: a server may leave children behind."""
    for sign in (stop, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(timeout=20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def _accepts(home: Path) -> bool:
    """Whether PostgreSQL takes connections: its socket exists while it is still starting up."""
    try:
        psycopg2.connect(host=str(home), user="ledger", dbname="postgres").close()
    except psycopg2.OperationalError:
        return False
    return True


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True  # S3 without a signature: refused, so it is there
    except OSError:
        return False
