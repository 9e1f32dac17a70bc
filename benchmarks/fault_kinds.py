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
    """What is done to the stack while a task of ``<pipeline>.<dag>`` called ``task`` runs."""

    name: str
    dag: str
    task: str
    inject: Callable[[Production], None]


def kill_worker(stack: Production) -> None:
    """A machine is lost: every process of one worker at once, and its disk but the code."""
    worker = _busiest(stack)
    leader = psutil.Process(processes.running(stack)[worker])
    for process in [leader, *leader.children(recursive=True)]:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    shutil.rmtree(stack.machine(worker) / "work")


def _busiest(stack: Production) -> str:
    """The worker with most processes below it: it runs a task."""
    return max(WORKERS, key=lambda name: len(psutil.Process(processes.running(stack)[name]).children(recursive=True)))


def killer(name: str) -> Callable[[Production], None]:
    """Kills one server and its children at once; `kept_up` starts it again."""

    def inject(stack: Production) -> None:
        os.killpg(processes.running(stack)[name], signal.SIGKILL)

    return inject


def restart_postgres(stack: Production) -> None:
    """PostgreSQL closes every connection and ends, as for an upgrade."""
    os.killpg(processes.running(stack)["postgres"], signal.SIGINT)


def s3_unavailable(stack: Production) -> None:
    """Every request to S3 gets 503 for half a minute; open connections are cut."""
    stack.outage.touch()
    time.sleep(OUTAGE_S)
    stack.outage.unlink()


FAULTS = (
    Fault("none", "train", "fit", lambda stack: None),
    Fault("a worker killed -9, its disk lost", "train", "fit", kill_worker),
    Fault("Redis killed -9", "train", "fit", killer("redis")),
    Fault("PostgreSQL restarted", "train", "fit", restart_postgres),
    Fault(f"S3 answers 503 for {OUTAGE_S} s", "ingest", "snapshot", s3_unavailable),
    Fault("MLflow killed -9", "train", "fit", killer("mlflow")),
)
