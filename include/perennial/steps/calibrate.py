"""Calibrate: what a champion is measured against, made once from its own training window and stored with it."""

from dataclasses import replace

import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from include.perennial.contracts import Decision, PartitionRef
from include.perennial.errors import IntegrityError
from include.perennial.gate.tasks import task_of
from include.perennial.models import frames
from include.perennial.models.model_cache import ModelCache
from include.perennial.models.weights import weigher
from include.perennial.monitor import sample
from include.perennial.monitor.calibration import Calibration, calibrate, settings_digest
from include.perennial.monitor.reference import build_window
from include.perennial.pipeline_folder import Pipeline
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import Champion, EventKind, Ledger
from include.perennial.stores.objects import ObjectStore


def calibration_key(pipeline: Pipeline, version: str) -> str:
    """Where the calibration of a model version is kept, for the settings of today."""
    return f"monitor/{pipeline.spec.name}/v{version}/calibration-{settings_digest(pipeline.spec)[:16]}.json"


def sample_key(pipeline: Pipeline, version: str) -> str:
    """Where the sample of a model version's training window is kept."""
    return f"monitor/{pipeline.spec.name}/v{version}/sample-{settings_digest(pipeline.spec)[:16]}.parquet"


def calibration_of(
    champion: Champion,
    pipeline: Pipeline,
    *,
    registry: DataRegistry,
    store: ObjectStore,
    models: ModelCache,
    ledger: Ledger,
) -> Calibration:
    """The calibration of ``champion``: found, or made from the very bytes that it was trained on, and kept.

    Raises:
        BadInput: the window is too short, or the model cannot be fitted to a part of it.
        IntegrityError: the ledger lacks the champion's decision, or stored data or model are not what was recorded.
        Unavailable: a store does not answer.
    """
    key = calibration_key(pipeline, champion.version)
    if store.exists(key):
        return Calibration.model_validate_json(store.get_bytes(key))
    decision = decision_on(champion, pipeline.spec.name, ledger)
    refs = trained_on(champion, decision)
    paths = registry.fetch(pipeline.spec.name, refs, decision.plan.data_commit)
    task = task_of(pipeline.spec)
    partitions = [frames.read([path], pipeline.spec.data, task) for path in paths]
    with threadpool_limits(limits=1):
        model = models.load(champion.model, pipeline.spec.trusted_types)
        window = build_window(pipeline.spec, model, [ref.key for ref in refs], partitions, weigher(pipeline))
    # The usual volume is that of all rows, whether or not their labels have come.
    window = replace(window, rows=tuple(pq.read_metadata(path).num_rows for path in paths))
    calibration = calibrate(pipeline.spec, window, champion.version)
    # The sample first: where there is a calibration, there is a sample to draw reports against.
    store.put_bytes(sample_key(pipeline, champion.version), sample.to_parquet(window, task))
    store.put_bytes(key, calibration.model_dump_json().encode())
    return calibration


def trained_on(champion: Champion, decision: Decision) -> list[PartitionRef]:
    """The partitions that the crowned model has seen, the holdout among them if it was refitted."""
    return [ref for ref in (*decision.plan.train, *decision.plan.holdout) if ref.key <= champion.cutoff]


def decision_on(champion: Champion, name: str, ledger: Ledger) -> Decision:
    """The decision that made ``champion``.

    Raises:
        IntegrityError: the ledger has none.
    """
    event = ledger.find(name, EventKind.JUDGED, champion.run_key)
    if event is None:
        raise IntegrityError(
            f"The ledger has no decision on run {champion.run_key}, which made champion version {champion.version} of "
            f"{name}: what it was trained on is not known, so nothing can be measured against it. Train a new model."
        )
    return Decision.model_validate(event.payload)
