"""What a partition is measured against, stored with the champion: the window's counts per cell, and the thresholds.

``thresholds`` makes the limits; here they are put beside what else was learned from the window, as one JSON.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import Field

from include.perennial.contracts import Contract
from include.perennial.digests import digest
from include.perennial.gate.arrays import Baseline, Floats, Integers, Labels
from include.perennial.gate.tasks import BINARY, Task, task_of
from include.perennial.monitor.cells import Cells, number_cells
from include.perennial.monitor.measurement import Interval
from include.perennial.monitor.reference import SLOTS, Window
from include.perennial.monitor.signals import Counts
from include.perennial.monitor.thresholds import Limit, alarm_rate, drift_limits, expected_performance, volume_limit
from include.perennial.spec import Metric, PipelineSpec
from include.perennial.spec.fields import is_none

FORMAT = 2
"""Raised whenever signals are computed in another way: a calibration of another format is made anew."""


class ColumnReference(Contract):
    """One column of the window: its cells, and the sampled rows in each, the missing ones last."""

    cells: Cells
    rows: tuple[int, ...]
    importance: float = 0.0

    @property
    def counts(self) -> Floats:
        """Rows per cell, shape ``(1, cells + 1)``."""
        return np.array([self.rows], dtype=float)


class Calibration(Contract):
    """Everything that measuring a partition needs of the champion's window. Holds counts, and no row of the data.

    ``alarm_rate``       chance that a partition violates although nothing has changed, all signals together
    ``sample_rows``      sampled rows of a partition of the window, the median
    ``usual_rows``       all rows of a partition, the geometric mean
    ``zeros``, ``ones``  sampled rows by label of two classes
    ``classes``          sampled rows by class of more than two; ``labels`` those of numbers, by cell
    ``baseline``         the constant forecast of another task than the binary one
    ``metric_values``    of each partition; None where the metric is undefined, as with labels of one class
    """

    pipeline: str
    champion_version: str
    settings_digest: str
    keys: tuple[str, ...]
    alarm_rate: float
    sample_rows: int
    usual_rows: float
    zeros: int
    ones: int
    columns: tuple[ColumnReference, ...]
    predictions: ColumnReference
    limits: tuple[Limit, ...]
    metric: Metric
    metric_values: tuple[float | None, ...]
    expected: float
    expected_interval: Interval
    knots_p: tuple[float, ...]
    knots_rate: tuple[float, ...]
    classes: tuple[int, ...] | None = Field(None, exclude_if=is_none)
    labels: ColumnReference | None = Field(None, exclude_if=is_none)
    baseline: float | tuple[float, ...] | None = Field(None, exclude_if=is_none)

    @property
    def sha256(self) -> str:
        """Names the thresholds by their content."""
        return digest(self.model_dump(mode="json"))

    @property
    def importance(self) -> dict[str, float]:
        """Share of the champion's importance of each compared column."""
        return {column.cells.column: column.importance for column in self.columns}

    @property
    def training_rate(self) -> Baseline:
        """The constant forecast that the window gives: the share of ones, of each class, or the mean."""
        if self.baseline is not None:
            return self.baseline
        return self.ones / max(1, self.zeros + self.ones)

    @property
    def counts(self) -> Counts:
        """The window as one group."""
        columns = tuple(column.counts for column in self.columns)
        of_classes = np.array([self.classes or (self.zeros, self.ones)], dtype=float)
        return Counts(columns, self.predictions.counts, self.labels.counts if self.labels else of_classes)

    def count(self, x: pd.DataFrame, p: Floats, y: Labels | None, task: Task = BINARY) -> Counts:
        """The rows of one partition as one group; a column that is gone counts as missing everywhere."""
        everything = np.zeros(len(p), dtype=int)
        cells = _CellsOf(
            tuple(column.cells for column in self.columns),
            self.predictions.cells,
            self.labels.cells if self.labels else None,
            task,
        )
        return _count(cells, x, p, y, everything, 1)


def settings_digest(spec: PipelineSpec) -> str:
    """Names everything in the spec that a calibration depends on."""
    monitor = spec.monitor
    settings = [monitor.drift.model_dump(mode="json"), monitor.false_alarms_per_quarter]
    return digest([FORMAT, *settings, str(spec.gate.compare.metric), spec.data.model_dump(mode="json"), spec.seed])


def calibrate(spec: PipelineSpec, window: Window, champion_version: str) -> Calibration:
    """The calibration of ``window``: the same window and spec give the same one. Needs neither model nor store."""
    rate = alarm_rate(spec)
    task = task_of(spec)
    predictions = _prediction_cells(task, window.p)
    by_class = task.label_counts(window.y)
    labels = number_cells("label", window.y) if by_class is None else None
    cells = _CellsOf(window.cells, predictions, labels, task)
    by_slot = _count(cells, window.x, window.p, window.y, window.slot, len(window.keys) * SLOTS)
    whole = by_slot.summed()
    limits = drift_limits(spec, window.cells, predictions, window.importance, by_slot, rate / 2, labels)
    expected, interval = expected_performance(spec.gate.compare.metric, window.metric_values, rate / 2)
    columns = zip(window.cells, whole.columns, strict=True)
    return Calibration(
        pipeline=spec.name,
        champion_version=champion_version,
        settings_digest=settings_digest(spec),
        keys=window.keys,
        alarm_rate=rate,
        sample_rows=int(np.median(np.bincount(window.slot // SLOTS, minlength=len(window.keys)))),
        usual_rows=float(np.exp(np.log(np.maximum(window.rows, 1)).mean())),
        zeros=by_class[0] if by_class and task is BINARY else 0,
        ones=by_class[1] if by_class and task is BINARY else 0,
        columns=tuple(_reference(cells, rows, window.importance.get(cells.column, 0.0)) for cells, rows in columns),
        predictions=_reference(predictions, whole.predictions, 0.0),
        limits=(*limits, volume_limit(window.rows, rate / 2)),
        metric=spec.gate.compare.metric,
        metric_values=tuple(value if math.isfinite(value) else None for value in window.metric_values),
        expected=expected,
        expected_interval=interval,
        knots_p=window.knots_p,
        knots_rate=window.knots_rate,
        classes=None if task is BINARY else by_class,
        labels=_reference(labels, whole.labels, 0.0) if labels and whole.labels is not None else None,
        baseline=None if task is BINARY else task.baseline(window.y),
    )


@dataclass(frozen=True)
class _CellsOf:
    """Cells of columns, of predictions and, where they are no classes, of labels."""

    columns: tuple[Cells, ...]
    predictions: Cells
    labels: Cells | None
    task: Task


def _prediction_cells(task: Task, p: Floats) -> Cells:
    shown = task.shown(p)
    if shown.dtype == object:
        return Cells(column="prediction", categories=tuple(sorted(shown.unique())))
    return number_cells("prediction", shown)


def _reference(cells: Cells, counts: Floats, importance: float) -> ColumnReference:
    return ColumnReference(cells=cells, rows=tuple(int(n) for n in counts.ravel()), importance=importance)


def _count(
    cells: _CellsOf,
    x: pd.DataFrame,
    p: Floats,
    y: Labels | None,
    groups: Integers,
    n_groups: int,
) -> Counts:
    gone = pd.Series(np.full(len(x), np.nan), index=x.index)
    return Counts(
        columns=tuple(of.count(x.get(of.column, gone), groups, n_groups) for of in cells.columns),
        predictions=cells.predictions.count(cells.task.shown(p), groups, n_groups),
        labels=None if y is None else _label_counts(cells, y, groups, n_groups),
    )


def _label_counts(cells: _CellsOf, y: Labels, groups: Integers, n_groups: int) -> Floats:
    if cells.labels is not None:
        return cells.labels.count(pd.Series(y), groups, n_groups)
    width = len(cells.task.label_counts(y) or ())
    return np.bincount(groups * width + y, minlength=n_groups * width).reshape(-1, width).astype(float)
