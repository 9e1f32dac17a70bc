"""Measure: a scored partition against its champion's training window. Numbers go to the ledger; nothing is decided."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from include.perennial.blocks import are_many
from include.perennial.contracts import PartitionRef, PartitionVersion
from include.perennial.errors import BadInput
from include.perennial.gate.arrays import Floats, Labels
from include.perennial.gate.tasks import task_of
from include.perennial.models import frames
from include.perennial.models.model_cache import ModelCache
from include.perennial.monitor.calibration import Calibration
from include.perennial.monitor.measure import ChampionFacts, ScoredPartition, measure
from include.perennial.monitor.measurement import LabelStatus, Measurement, MeasurementStatus
from include.perennial.partitions import UTC, Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.steps.answered import as_answered
from include.perennial.steps.calibrate import calibration_of, decision_on
from include.perennial.steps.readiness import PUBLISHING_KINDS, labels_of
from include.perennial.steps.sampled_rows import sampled_rows
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import CROWNING_KINDS, Champion, Ledger, champion_for
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.prediction_log import PredictionLog


@dataclass(frozen=True)
class Measured:
    """A measurement, and what it was made of: None where there was nothing to measure."""

    measurement: Measurement
    calibration: Calibration | None = None
    partition: ScoredPartition | None = None


def measure_partition(
    pipeline: Pipeline,
    key: str,
    *,
    registry: DataRegistry,
    store: ObjectStore,
    ledger: Ledger,
    models: ModelCache,
    now_utc: dt.datetime | None = None,
) -> Measured:
    """Measure partition ``key`` under the champion that scored it. The same state gives the same measurement.

    Without a champion, predictions of these very bytes or a calibration there is nothing to measure, and the
    measurement's status says so. Of a partition of more than ``ROWS_AT_ONCE`` rows a sample of so many is measured.

    Raises:
        BadInput: the partition is not in the data registry.
        IntegrityError: stored data, model or predictions are not what was recorded.
        Unavailable: a store does not answer.
    """
    name = pipeline.spec.name
    version = registry.partitions(name).get(Partition.of_key(key, pipeline.spec.period).key)
    if version is None:
        raise BadInput(f"Partition {key} of {name} is not in the data registry: ingest and score it first.")
    champion = champion_for(ledger.events(name, CROWNING_KINDS), key)
    if champion is None:
        why = f"Partition {key} had no champion in its time: there is nobody to measure."
        return _nothing(version, None, MeasurementStatus.NO_CHAMPION, why)
    task = task_of(pipeline.spec)
    log = PredictionLog(store, task)
    sample = sampled_rows(pipeline, version, champion, log, registry) if are_many(version.rows) else None
    predictions = sample.predictions if sample else said_of(log, version, champion)
    if predictions.empty:
        why = f"Partition {key} has not been scored with version {champion.version} as it is now: run score for it."
        return _nothing(version, champion, MeasurementStatus.NOT_SCORED, why)
    try:
        calibration = calibration_of(champion, pipeline, registry=registry, store=store, models=models, ledger=ledger)
    except BadInput as error:
        return _nothing(version, champion, MeasurementStatus.NOT_CALIBRATED, str(error))
    rows, y = (sample.x, sample.y) if sample else scored_rows(pipeline, version, predictions, registry)
    labels = labels_of(pipeline, key, ledger.events(name, PUBLISHING_KINDS))
    has_label = np.isfinite(y)
    # Of labels that come by themselves some may never come; a gap in a delivery with labels is a mistake.
    complete = bool(has_label.any() if pipeline.spec.data.labels else has_label.all())
    status = labels.status(now_utc or dt.datetime.now(UTC), complete=complete)
    # What is delivered before it is due is provisional, and a gap would make a metric of it a guess.
    known: Labels | None = np.nan_to_num(y).astype(task.label_type) if status is LabelStatus.MATURED else None
    names = list(dict.fromkeys((pipeline.spec.data.time, *pipeline.spec.data.key)))
    online = log.read_online(name, key, only=predictions[names] if sample else None)
    told = as_answered(predictions, online, champion.version, names, task)
    some = None if has_label.all() else has_label
    n_rows = sample.rows if sample else None
    partition = ScoredPartition(key, version.sha256, rows, told.p, known, status, some, told.rows, told.gap, n_rows)
    facts = ChampionFacts(
        version=champion.version,
        seq=champion.seq,
        cutoff=champion.cutoff,
        holdout_value=decision_on(champion, name, ledger).metrics.get(pipeline.spec.gate.compare.metric),
    )
    with threadpool_limits(limits=1):
        return Measured(measure(pipeline.spec, facts, calibration, partition), calibration, partition)


def said_of(log: PredictionLog, version: PartitionVersion, champion: Champion) -> pd.DataFrame:
    """What ``champion`` said of these very bytes; no rows if it was not asked."""
    logged = log.read(version.pipeline, version.key)
    mine = (logged["model_version"] == champion.version) & (logged["dataset_sha256"] == version.sha256)
    return logged[mine & ~logged["shadow"].astype(bool)]


def scored_rows(
    pipeline: Pipeline, version: PartitionVersion, predictions: pd.DataFrame, registry: DataRegistry
) -> tuple[pd.DataFrame, Floats]:
    """The rows that were scored and their labels, NaN for a gap, in the order of the predictions."""
    data = pipeline.spec.data
    ref = PartitionRef(key=version.key, sha256=version.sha256, rows=version.rows)
    [path] = registry.fetch(version.pipeline, [ref], version.commit)
    x, y = frames.read_with_gaps(path, data, task_of(pipeline.spec))
    if len(x) == len(predictions):
        return x, y
    # Scoring has refused rows; those that it kept are in the order of the partition.
    named = list(dict.fromkeys((data.time, *data.key)))
    scored = set(predictions[named].astype(str).itertuples(index=False, name=None))
    kept = np.array([row in scored for row in x[named].astype(str).itertuples(index=False, name=None)])
    return x[kept].reset_index(drop=True), y[kept]


def _nothing(
    version: PartitionVersion, champion: Champion | None, status: MeasurementStatus, sentence: str
) -> Measured:
    return Measured(
        Measurement(
            pipeline=version.pipeline,
            key=version.key,
            status=status,
            sentence=sentence,
            champion_version=champion.version if champion else None,
            champion_seq=champion.seq if champion else None,
            champion_cutoff=champion.cutoff if champion else None,
            dataset_sha256=version.sha256,
            rows=version.rows,
        )
    )
