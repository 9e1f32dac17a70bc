"""Report: what was measured of a partition as a page, as JSON, and as points of the champion's MLflow run.

For people: nothing is decided from it, and a lost report is made again from the same state.
"""

import math
import re

from include.perennial.contracts import Contract
from include.perennial.monitor import report, sample
from include.perennial.monitor.measurement import Measurement
from include.perennial.monitor.reference import sample_rows
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.steps.calibrate import sample_key
from include.perennial.steps.measure import Measured
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.tracking.runs import Tracking

_NOT_IN_A_NAME = re.compile(r"[^\w./ -]")


class Reported(Contract):
    """Object keys of the page and of its JSON."""

    html_key: str
    json_key: str


def report_partition(
    measured: Measured, pipeline: Pipeline, *, store: ObjectStore, tracking: Tracking, mlflow_run_id: str
) -> Reported | None:
    """Draw and keep the report, and add its numbers to the run ``mlflow_run_id``; None if nothing was measured.

    Raises:
        IntegrityError: the sample of the champion's window is gone.
        Unavailable: a store does not answer.
    """
    measurement, partition = measured.measurement, measured.partition
    if partition is None or not measurement.signals or measurement.champion_version is None:
        return None
    reference = sample.from_parquet(store.get_bytes(sample_key(pipeline, measurement.champion_version)))
    rows = sample_rows(pipeline.spec, partition.key, len(partition.p))
    page = report.render(measurement, reference, sample.compared_rows(partition.x, partition.p, rows))
    prefix = f"monitor/{measurement.pipeline}/v{measurement.champion_version}/{measurement.key}"
    found = Reported(html_key=f"{prefix}.html", json_key=f"{prefix}.json")
    store.put_bytes(found.html_key, page.html)
    store.put_bytes(found.json_key, page.json)
    span = Partition.of_key(measurement.key, pipeline.spec.period)
    # Steps count periods, so that a partition has its place on the axis whenever it is measured.
    step = int(span.start_utc.timestamp() // span.period.length.total_seconds())
    tracking.log_points(mlflow_run_id, series(measurement), step, int(span.end_utc.timestamp() * 1000))
    return found


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
