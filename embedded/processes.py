"""Start, watch and stop the processes of the stack, each in a process group of its own.

Airflow's and MLflow's parents leave children behind when they are only terminated,
so a stop ends whole groups: first politely, then not.
"""

import json
import logging
import os
import signal
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType

import psutil

from embedded.airflow_api import Airflow
from embedded.config import TRAINING_POOL, TRAINING_SLOTS, Stack, environment
from include.perennial.errors import PerennialError
from include.perennial.settings import Settings
from include.perennial.stand_ins import build, stand_ins

log = logging.getLogger(__name__)

START_TIMEOUT_S = 300
STOP_TIMEOUT_S = 20


class StackError(RuntimeError):
    """The stack did not come up; the message names the process and its log."""


def timed_lines() -> Callable[[str], None]:
    """Prints each line after the seconds since this call."""
    started = time.monotonic()
    return lambda line: print(f"[{time.monotonic() - started:6.1f} s] {line}", flush=True)


def start(stack: Stack, tell: Callable[[str], None] = log.info) -> None:
    """Start what is not running and wait until all of it is healthy.

    Raises:
        StackError: a process ended or did not become healthy in time; everything is stopped again.
    """
    stack.logs.mkdir(parents=True, exist_ok=True)
    alive = running(stack)
    try:
        if not stack.is_prepared:
            tell("preparing Airflow's database")
            _migrate(stack)
        _build_databases(stack, tell)
        missing = [name for name in stack.commands() if name not in alive]
        tell("starting " + ", ".join(missing) if missing else "already running")
        for name in missing:
            start_one(stack, name)
        wait_until_healthy(stack)
        Airflow(stack).create_pool(TRAINING_POOL, TRAINING_SLOTS, "fit and judge of all pipelines")
    except BaseException:
        stop(stack)
        raise


def _build_databases(stack: Stack, tell: Callable[[str], None]) -> None:
    """SQLite files for SQL connections that nobody has set; a pipeline without its file says so when it ingests."""
    settings = Settings.from_env(environment(stack))
    for pipeline, file in stand_ins(settings, os.environ).values():
        try:
            build(pipeline, file)
        except PerennialError as error:
            tell(f"{pipeline.spec.name}: {error}")


def start_one(stack: Stack, name: str) -> None:
    """Start one process of the stack without waiting for its health."""
    stack.logs.mkdir(parents=True, exist_ok=True)
    pid = _spawn(stack, name, stack.commands()[name], environment(stack, name))
    _save(stack, running(stack) | {name: pid})


def _migrate(stack: Stack) -> None:
    try:
        migrate(stack)
    except StackError:
        stack.airflow_db.unlink(missing_ok=True)
        raise
    # Readers and a writer at once: without it, four processes on one SQLite file lock each other out.
    with closing(sqlite3.connect(stack.airflow_db)) as database:
        database.execute("PRAGMA journal_mode=WAL")


def migrate(stack: Stack) -> None:
    """Give Airflow's database its schema.

    Raises:
        StackError: Airflow refused; the message names its log.
    """
    target = stack.logs / "migrate.log"
    with target.open("wb") as file:
        command, env = ["airflow", "db", "migrate"], environment(stack, "scheduler")
        done = subprocess.run(command, env=env, cwd=stack.folder("scheduler"), stdout=file, stderr=file, check=False)
    if done.returncode:
        raise StackError(f"`airflow db migrate` failed with status {done.returncode}: see {target}")


def _spawn(stack: Stack, name: str, command: list[str], env: dict[str, str]) -> int:
    with (stack.logs / f"{name}.log").open("ab") as file:
        process = subprocess.Popen(
            command, env=env, cwd=stack.folder(name), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            start_new_session=True,
        )  # fmt: skip
    return process.pid


def wait_until_healthy(stack: Stack, timeout_s: float = START_TIMEOUT_S) -> None:
    """Wait for MLflow and all of Airflow's components to report healthy.

    Raises:
        StackError: a process ended, or the time is over.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        dead = [name for name in stack.commands() if name not in running(stack)]
        if dead:
            raise StackError(f"{dead[0]} ended while starting: see {stack.logs / (dead[0] + '.log')}")
        if _mlflow_is_healthy(stack) and _airflow_is_healthy(stack):
            return
        time.sleep(0.25)
    raise StackError(f"the stack was not healthy after {timeout_s:.0f} s: see the logs in {stack.logs}")


def _mlflow_is_healthy(stack: Stack) -> bool:
    return _get(f"{stack.mlflow_url}/health") is not None


def _airflow_is_healthy(stack: Stack) -> bool:
    body = _get(f"{stack.airflow_url}/api/v2/monitor/health")
    if body is None:
        return False
    health = json.loads(body)
    return all(
        (health.get(part) or {}).get("status") == "healthy" for part in ("metadatabase", "scheduler", "dag_processor")
    )


def _get(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:  # noqa: S310 - our own loopback address
            return reply.read()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def running(stack: Stack) -> dict[str, int]:
    """Names and process ids of the stack's living processes."""
    record = stack.home / "processes.json"
    if not record.exists():
        return {}
    return {name: pid for name, pid in json.loads(record.read_text()).items() if _is_ours(pid)}


def _is_ours(pid: int) -> bool:
    """Whether ``pid`` lives and leads its own group, as everything started here does; ids are reused after a reboot."""
    _reap(pid)
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def _reap(pid: int) -> None:
    """Collect a child that has ended, so that it does not look alive; another parent's child is left alone."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def stop(stack: Stack) -> None:
    """End every process group of the stack; nothing is left behind."""
    alive = running(stack)
    # SIGINT lets Airflow's parents collect their children; what stays after the time is killed as a group.
    for pid in alive.values():
        _signal_group(pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while time.monotonic() < deadline and any(_group_lives(pid) for pid in alive.values()):
        if time.monotonic() > deadline - STOP_TIMEOUT_S + 5:
            for pid in alive.values():
                _signal_group(pid, signal.SIGTERM)
        time.sleep(0.2)
    for name, pid in alive.items():
        if _group_lives(pid):
            log.warning("%s did not stop within %d s: killed", name, STOP_TIMEOUT_S)
        _signal_group(pid, signal.SIGKILL)
        _reap(pid)
    (stack.home / "processes.json").unlink(missing_ok=True)


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _group_lives(pid: int) -> bool:
    """Whether a process of the group still runs; one that ended and that nobody has collected does not."""
    _reap(pid)
    return any(_runs_in(process, pid) for process in psutil.process_iter())


def _runs_in(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.Error):
        return False


def _save(stack: Stack, pids: dict[str, int]) -> None:
    (stack.home / "processes.json").write_text(json.dumps(pids))


def stop_on_terminate() -> None:
    """Treat SIGTERM like Ctrl-C, so that whoever ends this process also gets the stack stopped.

    Ctrl-C itself is asked for too: a shell starts its background jobs with SIGINT ignored, and so would ours be.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def running_stack(stack: Stack, tell: Callable[[str], None] = log.info) -> Iterator[Stack]:
    """The stack for the time of a block; stopped at its end, also on Ctrl-C, unless it was running before."""
    was_up = bool(running(stack))
    start(stack, tell)
    try:
        yield stack
    finally:
        if not was_up:
            stop(stack)
