"""A warm process that forks promoters, some of which kill themselves half-way.

Imports are paid once: each job is a fork that registers and promotes one decision. Jobs of
one batch promote at the same moment. Run as ``python -m tests.integration.promoter``, one
JSON batch per line on stdin, one JSON list of outcomes per line on stdout.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from include.perennial.contracts import Decision
from include.perennial.settings import PROJECT_ROOT, Settings
from include.perennial.steps.promote import promote
from include.perennial.steps.register import register
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.tracking.registry import Registry
from tests.promotions import rejudge

_OURS = str(PROJECT_ROOT / "include")
LINES, CALLS = "lines", "calls"


@dataclass(frozen=True)
class Job:
    """Register and promote ``decision``; die at the ``kill_at``-th step, counted in our lines or in all calls."""

    decision: dict[str, Any]
    ledger_url: str
    tracking_uri: str
    counted: str = LINES
    kill_at: int | None = None
    pause_s: float = 0


@dataclass(frozen=True)
class Outcome:
    """How a job ended: ``status`` of the promotion (None: killed), and its steps if it lived.

    ``registered_at`` is the number of steps until it was registered, ``steps`` of all.
    """

    status: str | None
    registered_at: int = 0
    steps: int = 0
    error: str | None = None


class Promoter:
    """The warm process, seen from a test."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.promoter"],
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )

    def run(self, *jobs: Job) -> list[Outcome]:
        """Outcomes of ``jobs``, which promote at the same moment."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([asdict(job) for job in jobs]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the promoter died: {Path(self._log.name).read_text()[-2000:]}"
        return [Outcome(**outcome) for outcome in json.loads(line)]

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._log.close()


class _Killer:
    """Counts steps of this process and kills it at one of them."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.steps = 0

    def trace(self, frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        if self._job.counted == CALLS:
            self._step()
            return None
        return self._line if frame.f_code.co_filename.startswith(_OURS) else None

    def _line(self, _: FrameType, event: str, __: object) -> Callable[..., Any]:
        if event == "line":
            self._step()
        return self._line

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self._job.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def _perform(job: Job, ready: Callable[[], None]) -> Outcome:
    decision = Decision.model_validate(job.decision)
    ledger = Ledger.open(job.ledger_url)
    models = Registry.open(Settings.from_env({"MLFLOW_TRACKING_URI": job.tracking_uri}))
    killer = _Killer(job)
    sys.settrace(killer.trace)
    registration = register(decision, ledger, models)
    assert registration is not None
    registered_at = killer.steps
    ready()
    time.sleep(job.pause_s)
    promotion = promote(registration, decision, ledger, models, rejudge, actor="tester")
    sys.settrace(None)
    return Outcome(promotion.status, registered_at, killer.steps)


def _child(job: Job, ready: int, go: int, result: int) -> None:
    def wait_for_the_others() -> None:
        os.close(ready)
        os.read(go, 1)

    try:
        outcome = _perform(job, wait_for_the_others)
    except Exception as error:  # noqa: BLE001 - handed to the test
        outcome = Outcome(None, error=repr(error)[:1000])
    os.write(result, json.dumps(asdict(outcome)).encode())
    os._exit(0)


def _fork(jobs: list[Job]) -> list[Outcome]:
    """Fork a child per job; let them promote once all are registered or dead."""
    ready, ready_end = os.pipe()
    go_end, go = os.pipe()
    children = []
    for job in jobs:
        result, result_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(go)
            _child(job, ready_end, go_end, result_end)
        os.close(result_end)
        children.append((pid, result))
    os.close(ready_end)
    os.read(ready, 1)  # ends when every child has closed its end
    os.close(go)
    outcomes = []
    for pid, result in children:
        os.waitpid(pid, 0)
        said = os.read(result, 65536)
        outcomes.append(Outcome(**json.loads(said)) if said else Outcome(None))
        os.close(result)
    os.close(ready)
    os.close(go_end)
    return outcomes


def main() -> None:
    for line in sys.stdin:
        outcomes = _fork([Job(**job) for job in json.loads(line)])
        sys.stdout.write(json.dumps([asdict(outcome) for outcome in outcomes]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
