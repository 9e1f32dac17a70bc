"""One policy through the partitions, oldest first: serve, measure, decide, train. Nothing looks ahead.

As in the DAGs, a partition is scored by the champion that was crowned before it came, measured once its labels
are known, and trained on last.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.perennial.contracts import ModelFile, TrainingPlan, TrainingRequest, Trigger
from include.perennial.monitor.decision import Outcome, TriggerDecision
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.provenance import CodeVersion
from include.perennial.replay import contenders
from include.perennial.replay.contest import ACTOR, contest
from include.perennial.replay.policies import ReplayPolicy
from include.perennial.replay.records import Hindsight, Tick, Training, Walk
from include.perennial.replay.service import LocalModels, Service
from include.perennial.replay.supply import Supply
from include.perennial.replay.watch import Served, Watch
from include.perennial.settings import Settings
from include.perennial.steps.plan import NotReady, choose_window, plan_of
from include.perennial.steps.standing import Stores
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import Champion, EventKind, Ledger
from include.perennial.stores.objects import LocalObjects

HINDSIGHT_PERIODS = 4
"""An alarm is judged by hindsight on at most so many later partitions."""


@dataclass(frozen=True)
class Course:
    """What all policies have in common: the pipeline, its partitions, and the ``keys`` to go through in order."""

    pipeline: Pipeline
    supply: Supply
    keys: tuple[str, ...]
    home: Path
    settings: Settings
    code: CodeVersion

    def plan(self, as_of: str, trigger: Trigger) -> TrainingPlan | NotReady:
        """The plan of the training run as of ``as_of``, or why there is none."""
        window = choose_window(self.pipeline.spec, as_of, self.supply.versions)
        if isinstance(window, NotReady):
            return window
        request = TrainingRequest(pipeline=self.pipeline.spec.name, as_of=as_of, trigger=trigger)
        return plan_of(request, self.pipeline, window, self.supply.commit, self.code)


def walk(course: Course, policy: ReplayPolicy) -> Walk:
    """Go the whole course under ``policy``."""
    with tempfile.TemporaryDirectory(prefix="perennial-replay-") as folder:
        return _Walker(course, policy, Path(folder)).walk()


def prepare(course: Course, as_of: str) -> None:
    """Make the contender of the training run as of ``as_of``, if there is one, so that each policy finds it."""
    plan = course.plan(as_of, Trigger.SCHEDULE)
    if not isinstance(plan, NotReady):
        contenders.make(plan, course.pipeline, course.supply, course.home)


class _Walker:
    def __init__(self, course: Course, policy: ReplayPolicy, folder: Path) -> None:
        self._course, self._policy = course, policy
        self._pipeline = policy.applied(course.pipeline)
        self._service = Service(self._pipeline, course.supply)
        self._ledger = Ledger.open(f"sqlite:///{folder / 'ledger.db'}")
        registry, objects = DataRegistry.open(course.settings), LocalObjects(folder / "objects")
        self._stores = Stores(registry, objects, LocalModels(), self._ledger)
        self._watch = Watch(self._pipeline, self._service, course.supply, self._ledger, course.home)
        self._served: dict[str, Served] = {}
        self._first_at: int | None = None

    def walk(self) -> Walk:
        for key in sorted(self._course.supply.versions):
            if key < self._course.keys[0]:
                self._publish(key)
        ticks = tuple(self._tick(n, key) for n, key in enumerate(self._course.keys))
        return Walk(policy=self._policy.name, ticks=ticks)

    def _tick(self, n: int, key: str) -> Tick:
        champion = self._ledger.champion(self._pipeline.spec.name)
        tick = Tick(key=key, note=self._course.supply.refused.get(key, ""))
        if key in self._course.supply.versions:
            self._publish(key)
            tick = self._serve(tick, champion) if champion else tick
        if self._policy.is_watching:
            tick = self._look(tick)
        trigger = self._trigger(n, champion, tick.decision)
        return self._train(tick, champion, trigger) if trigger else tick

    def _serve(self, tick: Tick, champion: Champion) -> Tick:
        self._served[tick.key] = Served(champion, self._service.predictions(champion.model, tick.key))
        return tick.model_copy(
            update={
                "rows": self._course.supply.versions[tick.key].rows,
                "champion": champion.version,
                "champion_cutoff": champion.cutoff,
                "metrics": self._service.metrics(champion.model, tick.key),
            }
        )

    def _look(self, tick: Tick) -> Tick:
        """Measure the partition whose labels have just become known, if a champion has scored it."""
        spec = self._pipeline.spec
        labelled = Partition.of_key(tick.key, spec.period).shift(-spec.data.label_delay_periods).key
        if labelled not in self._served:
            return tick
        watched = self._watch.decide(labelled, tick.key, self._served[labelled])
        return tick.model_copy(update={"decision": watched.decision, "measure_cpu_s": watched.cpu_s})

    def _trigger(self, n: int, champion: Champion | None, decision: TriggerDecision | None) -> Trigger | None:
        if champion is None:
            return Trigger.SCHEDULE
        if self._first_at is None:
            self._first_at = n - 1
        if decision and decision.outcome is Outcome.ASKED:
            return decision.trigger
        return Trigger.SCHEDULE if self._policy.is_due(n - self._first_at) else None

    def _train(self, tick: Tick, champion: Champion | None, trigger: Trigger) -> Tick:
        course, started = self._course, time.process_time()
        plan = course.plan(tick.key, trigger)
        if isinstance(plan, NotReady):
            self._record(EventKind.TRAINING_SKIPPED, tick.key, {"request": {"as_of": tick.key}})
            return tick.model_copy(update={"note": tick.note or plan.sentence})
        contender = contenders.make(plan, course.pipeline, course.supply, course.home)
        found_s = time.process_time() - started
        folder = contenders.folder_of(plan, course.pipeline, course.home)
        decision = contest(plan, contender, folder, self._pipeline, self._service, self._stores)
        training = Training(
            run_key=plan.run_key,
            window_digest=plan.window_digest,
            trigger=trigger,
            winner=decision.winner,
            verdict=decision.judgement.verdict,
            sentence=decision.judgement.sentence,
            delta=decision.judgement.delta,
            cpu_s=time.process_time() - started - found_s + contender.cpu_s,
        )
        if training.is_promoted:
            training = training.model_copy(update={"cpu_s": training.cpu_s + contender.refit_cpu_s})
        if training.is_alarm and champion:
            seen = self._hindsight(contender.final, champion.model, tick.key)
            training = training.model_copy(update={"hindsight": seen})
        return tick.model_copy(update={"training": training})

    def _publish(self, key: str) -> None:
        version = self._course.supply.versions[key]
        self._record(EventKind.PARTITION_PUBLISHED, f"{key}:{version.sha256}", version.model_dump(mode="json"))

    def _record(self, kind: EventKind, key: str, payload: dict[str, Any]) -> None:
        self._ledger.append(self._pipeline.spec.name, kind, key, payload, ACTOR)

    def _hindsight(self, new: ModelFile, old: ModelFile, key: str) -> Hindsight | None:
        later = _after(key, self._course.keys, self._course.supply)[:HINDSIGHT_PERIODS]
        if not later:
            return None
        difference = self._service.improvement(new, old, later)
        return Hindsight(
            partitions=tuple(later),
            improvement=difference.improvement,
            interval=difference.interval if difference.is_sure else None,
        )


def _after(key: str, keys: Sequence[str], supply: Supply) -> list[str]:
    return [other for other in keys if other > key and other in supply.versions]
