"""The monitor of a replay: measures a partition and asks the policy, on the replay's own ledger."""

import time
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from include.perennial.errors import BadInput
from include.perennial.gate.evidence import Floats
from include.perennial.monitor.decision import TriggerDecision
from include.perennial.monitor.measure import ChampionFacts, ScoredPartition, measure
from include.perennial.monitor.measurement import Measurement, MeasurementStatus
from include.perennial.pipeline_folder import Pipeline
from include.perennial.replay.calibrations import Calibrations
from include.perennial.replay.contest import ACTOR
from include.perennial.replay.service import Service
from include.perennial.replay.supply import Supply
from include.perennial.steps.calibrate import decision_on, trained_on
from include.perennial.steps.decide import decide_partition, record_measurement
from include.perennial.stores.ledger import Champion, Ledger


@dataclass(frozen=True)
class Served:
    """Who scored a partition, and the predictions ``p``, one per row."""

    champion: Champion
    p: Floats


@dataclass(frozen=True)
class Watched:
    """The policy's answer, and the processor seconds of measuring and deciding, calibration included."""

    decision: TriggerDecision
    cpu_s: float


class Watch:
    """Measurements and decisions under one policy, in the order of partitions."""

    def __init__(self, pipeline: Pipeline, service: Service, supply: Supply, ledger: Ledger, home: Path) -> None:
        self._pipeline, self._service, self._supply, self._ledger = pipeline, service, supply, ledger
        self._calibrations = Calibrations(pipeline, service, home)

    def decide(self, key: str, now: str, seen: Served) -> Watched:
        """The policy's answer at partition ``now`` about partition ``key``, whose labels are known by then."""
        with threadpool_limits(limits=1):
            measurement, cpu_s = self._measure(key, seen)
        started = time.process_time()
        record_measurement(measurement, self._ledger, ACTOR)
        evaluation = decide_partition(
            measurement, self._pipeline, self._ledger, evaluation=now, training_runs=lambda: 0, actor=ACTOR
        )
        return Watched(evaluation.decision, cpu_s + time.process_time() - started)

    def _measure(self, key: str, seen: Served) -> tuple[Measurement, float]:
        champion = seen.champion
        crowned = decision_on(champion, self._pipeline.spec.name, self._ledger)
        try:
            calibration, cpu_s = self._calibrations.of(champion, trained_on(champion, crowned))
        except BadInput as error:
            return _unmeasured(self._pipeline.spec.name, key, champion, str(error)), 0.0
        started, rows = time.process_time(), self._service.rows(key)
        facts = ChampionFacts(
            version=champion.version,
            seq=champion.seq,
            cutoff=champion.cutoff,
            holdout_value=crowned.metrics.get(self._pipeline.spec.gate.compare.metric),
        )
        partition = ScoredPartition(key, self._supply.versions[key].sha256, rows.x, seen.p, rows.y)
        measured = measure(self._pipeline.spec, facts, calibration, partition)
        return measured, cpu_s + time.process_time() - started


def _unmeasured(name: str, key: str, champion: Champion, why: str) -> Measurement:
    return Measurement(
        pipeline=name,
        key=key,
        status=MeasurementStatus.NOT_CALIBRATED,
        sentence=why,
        champion_version=champion.version,
        champion_seq=champion.seq,
        champion_cutoff=champion.cutoff,
    )
