"""One week's whole job as a plain script: no Airflow, one process, steps one after the other.

    python -m benchmarks.cold_week 2013-03-18

It calls the same library code as the DAGs' tasks. Prints one JSON object of seconds per step;
``import`` is what a cold process pays before the first step.
"""

import json
import sys
import time
from typing import Any

# The imports below are what a cold script pays first, and are measured.
_STARTED = time.perf_counter()

import include.perennial.preload  # noqa: F401 - every library that a task may need
from include.perennial.contracts import TrainingRequest, Trigger
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import load_pipeline
from include.perennial.settings import S3Access, Settings
from include.perennial.steps.fit import fit_candidate
from include.perennial.steps.judge import judge, rejudge
from include.perennial.steps.plan import NotReady, plan_training
from include.perennial.steps.promote import promote
from include.perennial.steps.register import register
from include.perennial.steps.snapshot import take_snapshot
from include.perennial.steps.validate import validate
from include.perennial.steps.version import publish_partition
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.tracking.registry import Registry
from include.perennial.stores.tracking.runs import Tracking


class NoConnections:
    """The example's source needs none."""

    def sql_url(self, conn_id: str) -> str:
        raise LookupError(conn_id)

    def s3(self, conn_id: str | None) -> S3Access:
        raise LookupError(conn_id)


class Clock:
    """Seconds per step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {"import": time.perf_counter() - _STARTED}
        self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = self.seconds.get(step, 0.0) + now - self._last
        self._last = now


class Week:
    """The stores, opened once, and the two halves of a week's job."""

    def __init__(self, pipeline: str) -> None:
        self.settings = Settings.from_env()
        self.pipeline = load_pipeline(pipeline, self.settings.pipelines)
        self.objects = ObjectStore.open(self.settings)
        self.data = DataRegistry.open(self.settings)
        self.ledger = Ledger.open(self.settings.ledger_url)
        self.tracking = Tracking.open(self.settings)
        self.models = Registry.open(self.settings)

    def ingest(self, key: str, clock: Clock) -> None:
        partition = Partition.of_key(key, self.pipeline.spec.period)
        snapshot = take_snapshot(self.pipeline, partition, self.objects, NoConnections())
        clock.lap("snapshot")
        validated = validate(self.pipeline, snapshot, self.objects)
        clock.lap("validate")
        publish_partition(validated, self.objects, self.data, self.ledger)
        clock.lap("version")

    def train(self, key: str, clock: Clock) -> None:
        request = TrainingRequest(pipeline=self.pipeline.spec.name, as_of=key, trigger=Trigger.MANUAL)
        plan = plan_training(request, self.pipeline, self.data)
        if isinstance(plan, NotReady):
            raise SystemExit(plan.sentence)
        clock.lap("plan")
        fits = [fit_candidate(plan, name, self.pipeline, self.data, self.tracking) for name in plan.candidates]
        clock.lap("fit")
        stores: dict[str, Any] = {
            "registry": self.data,
            "store": self.objects,
            "tracking": self.tracking,
            "ledger": self.ledger,
        }
        decision = judge(plan, fits, self.pipeline, **stores)
        clock.lap("judge")
        registration = register(decision, self.ledger, self.models)
        clock.lap("register")
        if registration:
            promote(
                registration,
                decision,
                self.ledger,
                self.models,
                lambda late, champion: rejudge(late, champion, self.pipeline, **stores),
                actor="benchmark",
            )
            clock.lap("promote")


def main(keys: list[str], pipeline: str = "flight_delays") -> None:
    """The whole job for each week in turn; more than one key is the warm loop."""
    clock = Clock()
    week = Week(pipeline)
    clock.lap("open")
    for key in keys:
        if key.endswith("+"):
            week.ingest(key.rstrip("+"), clock)
        else:
            week.ingest(key, clock)
            week.train(key, clock)
    clock.seconds["total"] = time.perf_counter() - _STARTED
    print(json.dumps(clock.seconds))


if __name__ == "__main__":
    main(sys.argv[1:])
