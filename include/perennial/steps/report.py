"""Report: what was measured of a partition as a page, as JSON, and as points of the champion's MLflow run.

For people: nothing is decided from it, and a lost report is made again from the same state.
"""

import math
import re

from include.perennial.contracts import Contract
from include.perennial.gate.tasks import task_of
from include.perennial.models.model_cache import ModelCache
from include.perennial.monitor import report, sample
from include.perennial.monitor.measure import ScoredPartition
from include.perennial.monitor.measurement import Measurement
from include.perennial.monitor.reference import sample_rows
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.steps.calibrate import decision_on, sample_key
from include.perennial.steps.measure import Measured, measure_partition
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import CROWNING_KINDS, Ledger, champion_for
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.tracking.runs import Tracking

_NOT_IN_A_NAME = re.compile(r"[^\w./ -]")


class Reported(Contract):
    """Object keys of the page and of its JSON."""

    html_key: str
    json_key: str


def report_partition(
    pipeline: Pipeline,
    key: str,
    *,
    registry: DataRegistry,
    store: ObjectStore,
    ledger: Ledger,
    models: ModelCache,
    tracking: Tracking,
) -> Reported | None:
    """Measure partition ``key``, draw and keep the report, and add its numbers to the champion's MLflow run.

    None if there is nothing to show, because nothing could be measured. May be repeated.

    Raises:
        BadInput: the partition is not in the data registry.
        IntegrityError: stored data, model, predictions or the window's sample are not what was recorded.
        Unavailable: a store does not answer.
    """
    measured = measure_partition(pipeline, key, registry=registry, store=store, ledger=ledger, models=models)
    measurement, name = measured.measurement, pipeline.spec.name
    champion = champion_for(ledger.events(name, CROWNING_KINDS), key)
    if champion is None or measured.partition is None or not measurement.signals:
        return None
    page = _page(measured, measured.partition, pipeline, store)
    prefix = f"monitor/{name}/v{champion.version}/{measurement.key}"
    found = Reported(html_key=f"{prefix}.html", json_key=f"{prefix}.json")
    store.put_bytes(found.html_key, page.html)
    store.put_bytes(found.json_key, page.json)
    span = Partition.of_key(measurement.key, pipeline.spec.period)
    # Steps count periods, so that a partition has its place on the axis whenever it is measured.
    step = span.ordinal
    run_id = decision_on(champion, name, ledger).mlflow_run_id
    tracking.log_points(run_id, series(measurement), step, int(span.end_utc.timestamp() * 1000))
    return found


def _page(measured: Measured, partition: ScoredPartition, pipeline: Pipeline, store: ObjectStore) -> report.DriftPage:
    key = sample_key(pipeline, str(measured.measurement.champion_version))
    rows = sample_rows(pipeline.spec, partition.key, len(partition.p))
    current = sample.compared_rows(partition.x, partition.p, rows, task_of(pipeline.spec))
    return report.render(measured.measurement, sample.from_parquet(store.get_bytes(key)), current)


def series(measurement: Measurement) -> dict[str, float]:
    """The numbers of a measurement that make time series, by a name that MLflow allows."""
    values = {f"drift/{signal.label}": signal.value for signal in measurement.signals}
    values["drift/signals over"] = float(len(measurement.violations))
    if matured := measurement.matured:
        values |= {f"matured/{name}": value for name, value in matured.metrics.items()}
    if measurement.estimated:
        values |= {f"estimated/{name}": value for name, value in measurement.estimated.metrics.items()}
    named = {_NOT_IN_A_NAME.sub("_", name)[:250]: value for name, value in values.items()}
    return {name: value for name, value in named.items() if math.isfinite(value)}
