"""A real stack for one session: Airflow's four processes and an MLflow server, on free loopback ports."""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from embedded import processes
from embedded.airflow_api import TERMINAL_STATES, Airflow
from embedded.config import PROJECT, Stack, environment, open_stack
from embedded.light_pipeline import write_light_pipeline
from include.perennial.contracts import Decision
from include.perennial.settings import Settings
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import EventKind, Ledger
from include.perennial.stores.tracking.registry import Registry

HERE = Path(__file__).parent
SECOND = "flights_again"
# These have stacks of their own, and come before the one that the others share is started.
ALONE = ("test_commands.py", "test_production.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.parent == HERE and item.path.name not in ALONE)


@dataclass
class Live:
    """The running stack and its stores."""

    stack: Stack
    airflow: Airflow

    @property
    def env(self) -> dict[str, str]:
        return environment(self.stack)

    @property
    def settings(self) -> Settings:
        return Settings.from_env(self.env)

    @property
    def ledger(self) -> Ledger:
        return Ledger.open(self.settings.ledger_url)

    @property
    def data(self) -> DataRegistry:
        return DataRegistry.open(self.settings)

    @property
    def models(self) -> Registry:
        return Registry.open(self.settings)

    def add_light_pipeline(self, name: str, steps: Sequence[str], **sections: Any) -> None:
        """The example under another name: one light candidate, a short window, a gate that passes. Its DAGs run.

        Without the replay of its source the weekly schedule finds no data in the present, and 2013 has the newest week.
        """
        pipelines, dags = Path(os.environ["PERENNIAL_PIPELINES"]), Path(os.environ["PERENNIAL_DAGS"])
        write_light_pipeline(pipelines, dags, name, **sections)
        for step in steps:
            self.airflow.wait_for_dag(f"{name}.{step}", timeout_s=120)
            self.airflow.unpause(f"{name}.{step}")
        end_scheduled_training(self.airflow, name)

    def decisions(self, pipeline: str) -> dict[str, Decision]:
        """The judged decisions of a pipeline by as-of week."""
        events = self.ledger.events(pipeline, [EventKind.JUDGED])
        decisions = [Decision.model_validate(event.payload) for event in events]
        return {decision.plan.as_of: decision for decision in decisions}

    def ingest(self, pipeline: str, first: str, last: str) -> None:
        """Backfill ``pipeline``'s partitions and wait."""
        self.backfill(f"{pipeline}.ingest", first, last, max_active_runs=4)

    def backfill(self, dag_id: str, first: str, last: str, **options: Any) -> list[dict]:
        """Backfill and wait; the runs in the order in which they started."""
        until(lambda: not self.airflow.active_backfills(dag_id), f"an earlier backfill of {dag_id} to end")
        self.airflow.backfill(dag_id, first, last, **options)
        return self.wait_for_backfill(dag_id, first, last)

    def wait_for_backfill(self, dag_id: str, first: str, last: str, timeout_s: float = 300) -> list[dict]:
        """Wait for the backfilled runs of a range of partitions; all must succeed."""
        runs: list[dict] = []

        def ended() -> bool:
            runs[:] = [r for r in self.airflow.runs(dag_id) if r["run_type"] == "backfill"]
            runs[:] = [r for r in runs if first <= r["partition_key"] <= last]
            return bool(runs) and all(r["state"] in TERMINAL_STATES for r in runs)

        until(ended, f"the backfill of {dag_id}", timeout_s)
        assert {r["state"] for r in runs} == {"success"}, runs
        return sorted(runs, key=lambda r: r["start_date"])


def end_scheduled_training(airflow: Airflow, name: str) -> None:
    """End the run of the schedule: it would wait for a week of the present, which has no data, and others for it."""
    dag_id = f"{name}.train"
    until(lambda: bool(airflow.runs(dag_id)), f"the scheduled run of {dag_id}", timeout_s=240)
    for run in airflow.runs(dag_id):
        airflow.call("PATCH", f"/dags/{dag_id}/dagRuns/{run['dag_run_id']}", json={"state": "failed"})


def until(reached: Callable[[], bool], what: str, timeout_s: float = 120) -> None:
    """Wait, or tell what was waited for."""
    deadline = time.monotonic() + timeout_s
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s} s for {what}")
        time.sleep(0.3)


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pipelines and DAGs of the stack: the project's, and the example once more under another name."""
    base = tmp_path_factory.mktemp("stack")
    shutil.copytree(PROJECT / "include" / "pipelines", base / "pipelines")
    shutil.copytree(PROJECT / "dags", base / "dags")
    _copy_pipeline(base / "pipelines", base / "dags")
    return base


@pytest.fixture(scope="session")
def live(code: Path) -> Iterator[Live]:
    """The running stack."""
    processes.stop_on_terminate()  # `make test` that is interrupted leaves nothing behind
    stack = open_stack(code / "home")
    try:
        with _pointing_at(code):
            processes.start(stack)
        yield Live(stack, Airflow(stack))
    finally:
        processes.stop(stack)


@pytest.fixture(scope="module", autouse=True)
def at_the_stacks_code(code: Path) -> Iterator[None]:
    """What starts beside the stack finds its pipelines; tests that the same worker runs afterwards do not."""
    with _pointing_at(code):
        yield


@contextlib.contextmanager
def _pointing_at(code: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_PIPELINES", str(code / "pipelines"))
        patch.setenv("PERENNIAL_DAGS", str(code / "dags"))
        yield


def _copy_pipeline(pipelines: Path, dags: Path) -> None:
    shutil.copytree(pipelines / "flight_delays", pipelines / SECOND)
    spec = pipelines / SECOND / "pipeline.yaml"
    spec.write_text(spec.read_text().replace("name: flight_delays", f"name: {SECOND}"))
    text = (dags / "flight_delays.py").read_text()
    (dags / f"{SECOND}.py").write_text(text.replace("flight_delays", SECOND))
