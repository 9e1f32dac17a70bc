"""What the fault campaign does to the production stack, and while which task runs."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from embedded import processes
from embedded.production.stack import WORKERS, Production

OUTAGE_S = 30


@dataclass(frozen=True)
class Fault:
    """What is done to the stack while a task of ``<pipeline>.<dag>`` called ``task`` runs as a process ``pid``.

    ``is_fatal``: the task cannot survive it, so that one which is not tried again was not hit.
    """

    name: str
    dag: str
    task: str
    inject: Callable[[Production, int], None]
    is_fatal: bool = False


def kill_worker(stack: Production, pid: int) -> None:
    """A machine is lost: every process of the worker that runs the task at once, and its disk but the code."""
    above = {process.pid for process in psutil.Process(pid).parents()}
    [worker] = [name for name in WORKERS if processes.running(stack)[name] in above]
    leader = psutil.Process(processes.running(stack)[worker])
    for process in [leader, *leader.children(recursive=True)]:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    shutil.rmtree(stack.machine(worker) / "work")


def killer(name: str) -> Callable[[Production, int], None]:
    """Kills one server and its children at once; `kept_up` starts it again."""

    def inject(stack: Production, _: int) -> None:
        os.killpg(processes.running(stack)[name], signal.SIGKILL)

    return inject


def restart_postgres(stack: Production, _: int) -> None:
    """PostgreSQL closes every connection and ends, as for an upgrade."""
    os.killpg(processes.running(stack)["postgres"], signal.SIGINT)


def s3_unavailable(stack: Production, _: int) -> None:
    """Every request to S3 gets 503 for half a minute; open connections are cut."""
    stack.outage.touch()
    time.sleep(OUTAGE_S)
    stack.outage.unlink()


FAULTS = (
    Fault("none", "train", "fit", lambda stack, pid: None),
    Fault("a worker killed -9, its disk lost", "train", "fit", kill_worker, is_fatal=True),
    Fault("Redis killed -9", "train", "fit", killer("redis")),
    Fault("PostgreSQL restarted", "train", "fit", restart_postgres),
    Fault(f"S3 answers 503 for {OUTAGE_S} s", "ingest", "snapshot", s3_unavailable),
    Fault("MLflow killed -9", "train", "fit", killer("mlflow")),
)
