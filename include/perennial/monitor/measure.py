"""Measure one scored partition against its champion's calibration. Pure: arrays in, numbers out."""

import math
from dataclasses import dataclass

import pandas as pd

from include.perennial.gate.arrays import Bools, Floats, Integers, Labels
from include.perennial.gate.tasks import BINARY, Task, task_of
from include.perennial.models.metrics import measure_all
from include.perennial.monitor import performance
from include.perennial.monitor.calibration import Calibration
from include.perennial.monitor.measurement import (
    EstimatedPerformance,
    LabelStatus,
    MaturedPerformance,
    Measurement,
    MeasurementStatus,
    Signal,
    SignalKind,
)
from include.perennial.monitor.reference import sample_rows
from include.perennial.monitor.signals import signal_values
from include.perennial.monitor.thresholds import Limit
from include.perennial.spec import PipelineSpec


@dataclass(frozen=True)
class ChampionFacts:
    """Who scored the partition. ``holdout_value`` is the compared metric as its decision records it, if it does."""

    version: str
    seq: int
    cutoff: str
    holdout_value: float | None = None


@dataclass(frozen=True)
class ScoredPartition:
    """All rows of a partition with the champion's predictions of them, in one order; of a very large one a sample.

    ``x`` holds the declared columns but the target, ``p`` the predictions, one per row; ``y``, the labels, is None
    until labels have matured, and then ``labels`` says why; where some never came, ``labelled`` says which rows have
    one. ``rows_online`` of the predictions are answers of the model server, which differ by at most ``online_gap`` from
    what the delivered rows give. ``rows`` is how many the partition has, where those here are a sample.
    """

    key: str
    dataset_sha256: str
    x: pd.DataFrame
    p: Floats
    y: Labels | None = None
    labels: LabelStatus = LabelStatus.WAITING
    labelled: Bools | None = None
    rows_online: int = 0
    online_gap: float | None = None
    rows: int | None = None


def measure(
    spec: PipelineSpec, champion: ChampionFacts, calibration: Calibration, partition: ScoredPartition
) -> Measurement:
    """Everything that can be said of the partition; the same input gives the same measurement.

    A partition with fewer rows than ``monitor.drift.min_rows`` has no signals: its differences would be chance.

    Raises:
        ValueError: lengths differ, or a prediction is not sound.
    """
    task = task_of(spec)
    _refuse(partition, task)
    read = len(partition.p)
    rows = partition.rows or read
    facts = Measurement(
        pipeline=spec.name,
        key=partition.key,
        status=MeasurementStatus.MEASURED,
        sentence="",
        champion_version=champion.version,
        champion_seq=champion.seq,
        champion_cutoff=champion.cutoff,
        dataset_sha256=partition.dataset_sha256,
        rows=rows,
        rows_read=read if read < rows else None,
        rows_online=partition.rows_online,
        online_gap=partition.online_gap,
        calibration_sha256=calibration.sha256,
        labels=partition.labels,
    )
    smallest = spec.monitor.drift.min_rows
    if rows < smallest:
        sentence = f"Partition {partition.key} has {rows:,} rows: {smallest:,} are needed to measure anything."
        return facts.model_copy(update={"status": MeasurementStatus.TOO_FEW_ROWS, "sentence": sentence})
    chosen = sample_rows(spec, partition.key, read)
    labels, matured = _matured(spec, champion, calibration, partition)
    estimated = (
        None if task.no_estimate else performance.estimate(calibration.knots_p, calibration.knots_rate, partition.p)
    )
    measured = facts.model_copy(
        update={
            "sample_rows": len(chosen),
            "signals": _signals(calibration, partition, chosen, task),
            "labels": labels,
            "matured": matured,
            "estimated": _reconciled(estimated, matured) if estimated else None,
        }
    )
    return measured.model_copy(update={"sentence": sentence_of(measured)})


def sentence_of(measurement: Measurement) -> str:
    """What a person should know first: how many signals are over, which, and how the model does."""
    over = measurement.violations
    listed = ", ".join(f"{signal.label} {signal.value:.3f} > {signal.threshold:.3f}" for signal in over[:5])
    more = f" and {len(over) - 5} more" if len(over) > 5 else ""
    drift = f"{len(over)} signals over their thresholds: {listed}{more}" if over else "no signal over its threshold"
    facts = f"{drift}; {_performance_of(measurement)}{_online_of(measurement)}"
    return f"{measurement.key} under version {measurement.champion_version}{_sample_of(measurement)}: {facts}."


def _sample_of(measurement: Measurement) -> str:
    if measurement.rows_read is None:
        return ""
    return f", in a sample of {measurement.rows_read:,} of its {measurement.rows:,} rows"


def _online_of(measurement: Measurement) -> str:
    if not measurement.rows_online:
        return ""
    gap = f"up to {measurement.online_gap:.3f} from what the delivered rows give"
    return (
        f"; {measurement.rows_online:,} of {measurement.rows_read or measurement.rows:,} rows as answered online, {gap}"
    )


def _performance_of(measurement: Measurement) -> str:
    matured = measurement.matured
    if matured is None:
        return f"labels: {measurement.labels.value.replace('_', ' ')}"
    low, high = matured.expected_interval
    standing = "worse than" if matured.is_worse else "within"
    read = measurement.rows_read or measurement.rows
    some = f" on {matured.rows:,} of {read:,} rows" if matured.rows < read else ""
    return f"{matured.metric} {matured.value:.3f}{some}, {standing} the expected {low:.3f} to {high:.3f}"


def _refuse(partition: ScoredPartition, task: Task) -> None:
    lengths = {len(partition.x), len(partition.p), len(partition.p if partition.y is None else partition.y)}
    if len(lengths) > 1:
        raise ValueError(f"Rows, predictions and labels of {partition.key} differ in number: got {sorted(lengths)}.")
    if len(partition.p) and not task.are_sound(partition.p):
        raise ValueError(f"Predictions of {partition.key} are not all {task.sound_words}.")


def _signals(calibration: Calibration, partition: ScoredPartition, chosen: Integers, task: Task) -> tuple[Signal, ...]:
    # Where some labels never came, the mix of those that did is no drift.
    y = None if partition.y is None or partition.labelled is not None else partition.y[chosen]
    x = partition.x.iloc[chosen]
    block = calibration.count(x, partition.p[chosen], y, task)
    columns = [column.cells for column in calibration.columns]
    labels = calibration.labels.cells if calibration.labels else None
    importance, predictions = calibration.importance, calibration.predictions.cells
    values = signal_values(columns, predictions, importance, block, calibration.counts, labels)
    found = {name: float(value[0]) for name, value in values.items()}
    found[SignalKind.VOLUME, ""] = abs(math.log((partition.rows or len(partition.p)) / calibration.usual_rows))
    # A smaller sample than those of the window scatters more by chance.
    wider = math.sqrt(max(1.0, calibration.sample_rows / len(chosen)))
    return tuple(
        _signal(limit, found[limit.kind, limit.name], 1.0 if limit.kind is SignalKind.VOLUME else wider, x)
        for limit in calibration.limits
        if (limit.kind, limit.name) in found
    )


def _signal(limit: Limit, value: float, wider: float, x: pd.DataFrame) -> Signal:
    return Signal(
        kind=limit.kind,
        name=limit.name,
        value=value,
        threshold=limit.threshold * wider,
        importance=limit.importance,
        counts=limit.counts,
        note=_note(limit, x),
    )


def _note(limit: Limit, x: pd.DataFrame) -> str:
    if not limit.name:
        return ""
    if limit.name not in x:
        return "column is gone"
    values = x[limit.name]
    if values.isna().all():
        return "no values"
    return "constant" if values.nunique(dropna=False) == 1 else ""


def _matured(
    spec: PipelineSpec, champion: ChampionFacts, calibration: Calibration, partition: ScoredPartition
) -> tuple[LabelStatus, MaturedPerformance | None]:
    x, y, p, metric, task = partition.x, partition.y, partition.p, calibration.metric, task_of(spec)
    if y is None:
        return partition.labels, None
    if partition.labelled is not None:
        x, y, p = x[partition.labelled], y[partition.labelled], p[partition.labelled]
    if len(y) < spec.monitor.performance.min_rows:
        return LabelStatus.TOO_FEW, None
    value = task.measure(metric, y, p)
    if not math.isfinite(value) or not task.is_judgeable(y):
        return LabelStatus.ONE_CLASS if task is BINARY else LabelStatus.UNDEFINED, None
    return LabelStatus.MATURED, MaturedPerformance(
        metric=metric,
        rows=len(y),
        value=value,
        interval=performance.interval(spec, x, y, p),
        expected=calibration.expected,
        expected_interval=calibration.expected_interval,
        holdout_value=champion.holdout_value,
        metrics=measure_all(y, p, calibration.training_rate, task),
        slices=performance.slice_values(spec, x, y, p),
    )


def _reconciled(estimated: EstimatedPerformance, matured: MaturedPerformance | None) -> EstimatedPerformance:
    if matured is None or matured.metric not in estimated.metrics:
        return estimated
    return estimated.model_copy(update={"error": matured.value - estimated.metrics[matured.metric]})
