"""Faults under the production stack: what was injected in mid-run, and what came of the loop.

    python -m benchmarks.faults

Each fault meets one week: its ingest or its training is running when a worker with all its tasks is killed and its
disk emptied, Redis, PostgreSQL or MLflow is killed, or S3 answers 503 for half a minute. What ended is started
again within a second, as a container's restart policy does. Fails unless every week ends published, judged,
registered and promoted exactly once, and `verify` finds nothing at the end.
"""

import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.table import Table

from benchmarks.fault_kinds import FAULTS, Fault
from embedded import processes
from embedded.airflow_api import TERMINAL_STATES, Airflow, ApiError
from embedded.config import PROJECT, environment
from embedded.light_pipeline import write_light_pipeline
from embedded.production.stack import Production
from embedded.production.start import environment_of, kept_up, production
from include.perennial.settings import Settings
from include.perennial.steps.verify.run import verify
from include.perennial.stores.ledger import EventKind, Ledger
from include.perennial.stores.tracking.registry import Registry

NAME = "faults"
WEEKS = [f"2013-{day}" for day in ("01-07", "01-14", "01-21", "01-28", "02-04", "02-11", "02-18", "02-25", "03-04")]
FIRST_TRAINED = 3
TIMEOUT_S = 900
# The light pipeline's own model, whose fit takes its time, so that a fault meets it in mid-training.
MODEL = """\
import time

from sklearn.linear_model import LogisticRegression


class Unhurried(LogisticRegression):
    def fit(self, X, y, sample_weight=None):
        time.sleep(5)
        return super().fit(X, y, sample_weight)
"""
UNHURRIED = {"unhurried": {"estimator": "model.Unhurried", "params": {"C": 0.01, "max_iter": 200}}}
# What must exist once for every trained week.
ONCE = (EventKind.PARTITION_PUBLISHED, EventKind.JUDGED, EventKind.REGISTERED, EventKind.PROMOTED)
_OF_A_RUN = frozenset({EventKind.REGISTERED, EventKind.PROMOTED})


@dataclass
class Seen:
    """One row of the table."""

    fault: str
    week: str
    during: str
    seconds: float
    retried: list[str]
    restarted: list[str] = field(default_factory=list)
    ended: str = "?"


class Campaign:
    """Runs weeks through a stack that is being broken."""

    def __init__(self, stack: Production, tell: Callable[[str], None]) -> None:
        self._stack = stack
        self._tell = tell
        self._airflow = Airflow(stack)

    def prepare(self) -> None:
        """Publish the weeks before the first that is trained."""
        for dag in ("ingest", "train"):
            self._airflow.wait_for_dag(f"{NAME}.{dag}")
            self._airflow.unpause(f"{NAME}.{dag}")
        self._run("ingest", WEEKS[0], WEEKS[FIRST_TRAINED - 1])

    def suffer(self, fault: Fault, week: str) -> Seen:
        """Ingest and train one week; the fault is injected once its task is running."""
        started = time.monotonic()
        for dag in ("ingest", "train"):
            inject = fault.inject if dag == fault.dag else None
            self._run(dag, week, week, fault.task, inject)
        tries = Counter[str]()
        for dag in ("ingest", "train"):
            for task in self._tasks(dag, week):
                tries[task["task_id"]] += max(0, task["try_number"] - 1)
        retried = [f"{task} {n}" for task, n in tries.items() if n]
        return Seen(fault.name, week, f"{fault.dag}.{fault.task}", time.monotonic() - started, retried)

    def _run(
        self, dag: str, first: str, last: str, task: str = "", inject: Callable[[Production, int], None] | None = None
    ) -> None:
        dag_id = f"{NAME}.{dag}"
        self._until(lambda: not self._airflow.active_backfills(dag_id), f"earlier backfills of {dag_id}")
        self._airflow.backfill(dag_id, first, last, max_active_runs=2)
        if inject:
            self._until(lambda: bool(self._pids(dag, first, task)), f"{task} of {first} to start")
            [pid, *_] = self._pids(dag, first, task)
            self._tell(f"{task} of {first} runs as process {pid}: injecting")
            inject(self._stack, pid)
        self._until(lambda: self._has_ended(dag, first, last), f"{dag_id} of {first}")

    def _pids(self, dag: str, week: str, task: str) -> list[int]:
        """Processes in which the task runs."""
        running = [one for one in self._tasks(dag, week) if one["task_id"] == task and one["state"] == "running"]
        return [one["pid"] for one in running if one["pid"]]

    def _has_ended(self, dag: str, first: str, last: str) -> bool:
        runs = self._runs(dag, first, last)
        return bool(runs) and all(run["state"] in TERMINAL_STATES for run in runs)

    def _tasks(self, dag: str, week: str) -> list[dict[str, Any]]:
        [run] = self._runs(dag, week, week)
        return self._airflow.task_instances(f"{NAME}.{dag}", run["dag_run_id"])

    def _runs(self, dag: str, first: str, last: str) -> list[dict[str, Any]]:
        runs = [run for run in self._airflow.runs(f"{NAME}.{dag}") if run["run_type"] == "backfill"]
        return [run for run in runs if first <= run["partition_key"] <= last]

    def _until(self, reached: Callable[[], bool], what: str) -> None:
        """Wait; while a server is down Airflow may answer with an error or not at all."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                if reached():
                    return
            except (ApiError, requests.RequestException) as error:
                self._tell(f"Airflow: {str(error)[:100]}")
            time.sleep(0.3)
        raise TimeoutError(f"waited {TIMEOUT_S} s for {what}")


def judge(stack: Production, rows: list[Seen]) -> list[str]:
    """Fill in how each week ended; everything that is lost, double or wrong."""
    settings = Settings.from_env(environment(stack))
    ledger, models = Ledger.open(settings.ledger_url), Registry.open(settings)
    counts = _counts(ledger)
    fatal = {fault.name for fault in FAULTS if fault.is_fatal}
    problems = [f"{row.fault}: its task was not hit" for row in rows if row.fault in fatal and not row.retried]
    for row in rows:
        row.ended = ", ".join(f"{kind.value} {counts[row.week, kind]}" for kind in ONCE)
        problems += [f"{row.fault}: {k.value} {counts[row.week, k]} times" for k in ONCE if counts[row.week, k] != 1]
    champion = ledger.champion(NAME)
    versions = models.tag_values(NAME, "perennial.run_key")
    if champion is None or models.get_alias(NAME, "champion") != champion.version:
        problems.append(f"champion {champion}, alias {models.get_alias(NAME, 'champion')}")
    if len(set(versions.values())) != len(versions) or len(versions) != len(rows):
        problems.append(f"{len(versions)} registered versions for {len(rows)} trainings: {versions}")
    verification = verify(settings, [NAME])
    problems += [str(finding) for finding in verification.findings] + list(verification.not_looked_at)
    return problems


def _counts(ledger: Ledger) -> Counter[tuple[str, EventKind]]:
    """How many events of each kind a week has; what a training run did counts for the week it was as of."""
    events = ledger.events(NAME, ONCE)
    as_of = {e.key: str(e.payload["plan"]["as_of"]) for e in events if e.kind is EventKind.JUDGED}
    return Counter(
        (as_of[e.payload["run_key"]] if e.kind in _OF_A_RUN else e.payload.get("key") or as_of[e.key], e.kind)
        for e in events
    )


@contextmanager
def _light_code() -> Iterator[None]:
    """Pipelines and DAGs of their own: the example with a short window, so that a week is enough for a training."""
    base = Path(tempfile.mkdtemp(prefix="perennial-faults-"))
    shutil.copytree(PROJECT / "include" / "pipelines" / "flight_delays", base / "pipelines" / "flight_delays")
    shutil.copytree(PROJECT / "dags" / "perennial_dags", base / "dags" / "perennial_dags")
    shutil.copy(PROJECT / "dags" / "flight_delays.py", base / "dags")
    write_light_pipeline(base / "pipelines", base / "dags", NAME, candidates=UNHURRIED)
    (base / "pipelines" / NAME / "model.py").write_text(MODEL)
    before = dict(os.environ)
    os.environ.update(PERENNIAL_PIPELINES=str(base / "pipelines"), PERENNIAL_DAGS=str(base / "dags"))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(base)


def _table(rows: list[Seen]) -> Table:
    table = Table("injected", "while", "started again", "tasks tried again", "of the week in the ledger", "seconds")
    for row in rows:
        again = ", ".join(row.restarted) or "none"
        table.add_row(row.fault, row.during, again, ", ".join(row.retried) or "none", row.ended, f"{row.seconds:.0f}")
    return table


def main() -> int:
    """Inject every fault; 0 if nothing was lost and nothing happened twice."""
    processes.stop_on_terminate()
    started = time.monotonic()
    restarted: list[str] = []

    def tell(line: str) -> None:
        print(f"[{time.monotonic() - started:6.1f} s] {line}", flush=True)

    def told_restart(line: str) -> None:
        restarted.append(line.partition(" ended")[0])
        tell(line)

    with _light_code(), production(tell) as stack, environment_of(stack):
        campaign = Campaign(stack, tell)
        campaign.prepare()
        rows = []
        with kept_up(stack, told_restart):
            for fault, week in zip(FAULTS, WEEKS[FIRST_TRAINED:], strict=True):
                restarted.clear()
                rows.append(campaign.suffer(fault, week))
                rows[-1].restarted = list(restarted)
                tell(f"{fault.name}: {rows[-1].seconds:.0f} s, retried {rows[-1].retried}")
        problems = judge(stack, rows)
    Console(width=None if sys.stdout.isatty() else 160).print(_table(rows))
    for problem in problems:
        print(f"wrong: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
