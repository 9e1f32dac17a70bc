"""A pipeline's ledger as the monitor finds it: published weeks, a champion, measurements; and evaluators to race."""

import datetime as dt
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.perennial.contracts import Decision, PartitionRef
from include.perennial.monitor.measurement import Measurement
from include.perennial.pipeline_folder import Pipeline, load_pipeline
from include.perennial.steps.decide import Evaluation, decide_partition, record_measurement
from include.perennial.stores.ledger import Champion, Event, EventKind, Ledger
from tests.promotions import decide as judged
from tests.promotions import registration
from tests.unit.monitor.measurements import WEEKS, measured

OVER = 0.2
TRIGGER_KINDS = (EventKind.TRIGGER_ASKED, EventKind.TRIGGER_SUPPRESSED, EventKind.TRIGGER_NOT_NEEDED)


@dataclass(frozen=True)
class Monitored:
    """``pipeline`` and its ledger."""

    pipeline: Pipeline
    ledger: Ledger

    @property
    def name(self) -> str:
        return self.pipeline.spec.name

    def publish(self, *weeks: int, sha: str = "a") -> None:
        for week in weeks:
            payload = {"key": WEEKS[week], "sha256": sha * 64}
            self.ledger.append(self.name, EventKind.PARTITION_PUBLISHED, f"{WEEKS[week]}:{sha}", payload, "tests")

    def crown(self, version: str, cutoff_week: int) -> Champion:
        """Version ``version`` becomes champion, whoever was."""
        before = self.ledger.champion(self.name)
        given = registration(self.name, version, cutoff=WEEKS[cutoff_week])
        expected = before.seq if before else None
        self.ledger.promote(given, "digest", expected, reason="", actor="tests", key=version, evidence={})
        champion = self.ledger.champion(self.name)
        assert champion is not None
        return champion

    def reject(self, week: int, *, sha: str = "a", run_key: str = "rejected") -> Decision:
        """A training run as of ``week`` is judged, against the champion in place, and does not win."""
        champion = self.ledger.champion(self.name)
        decision = judged(self.name, run_key, None, score=0.1, champion=champion, cutoff=WEEKS[week])
        ref = PartitionRef(key=WEEKS[week], sha256=sha * 64, rows=10)
        code = {"spec_digest": self.pipeline.spec_digest, "code_digest": self.pipeline.code_digest}
        plan = decision.plan.model_copy(update={"holdout": (ref,), **code})
        decision = decision.model_copy(update={"plan": plan})
        self.ledger.append(self.name, EventKind.JUDGED, run_key, decision.model_dump(mode="json"), "tests")
        return decision

    def measure(self, week: int, **values: Any) -> Measurement:
        """A recorded measurement under the champion in place."""
        champion = self.ledger.champion(self.name)
        own = {"champion_seq": champion.seq, "champion_version": champion.version} if champion else {}
        measurement = measured(week, **values).model_copy(update={"pipeline": self.name, **own})
        record_measurement(measurement, self.ledger, "tests")
        return measurement

    def evaluate(
        self, measurement: Measurement, evaluation: str, *, running: int = 0, now_utc: dt.datetime | None = None
    ) -> Evaluation:
        return decide_partition(
            measurement,
            self.pipeline,
            self.ledger,
            evaluation=evaluation,
            training_runs=lambda: running,
            actor="tests",
            now_utc=now_utc,
        )

    def events(self, *kinds: EventKind) -> list[Event]:
        return self.ledger.events(self.name, kinds or TRIGGER_KINDS)

    def drifted(self, week: int) -> Measurement:
        """The second drifted week in a row, published and measured: enough to ask."""
        self.publish(week)
        self.measure(week - 1, drift=OVER)
        return self.measure(week, drift=OVER)


def evaluate_many(root: str, url: str, measurement: str, names: list[str]) -> list[str]:
    """Evaluate once under each name, from a process of its own; the outcomes."""
    world = Monitored(load_pipeline("toy", Path(root)), Ledger.open(url))
    given = Measurement.model_validate_json(measurement)
    return [world.evaluate(given, name).decision.outcome.value for name in names]


def evaluate_and_die(root: str, url: str, measurement: str, name: str, runs: str) -> None:
    """Evaluate and ask for the training run in the folder ``runs``; die before that unless it is the second time."""
    world = Monitored(load_pipeline("toy", Path(root)), Ledger.open(url))
    evaluation = world.evaluate(Measurement.model_validate_json(measurement), name)
    marker = Path(runs, "first-try")
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if evaluation.training_run_id:
        Path(runs, evaluation.training_run_id).touch(exist_ok=True)
