"""What a partition is measured against, stored with the champion: the window's counts per cell, and the thresholds.

``thresholds`` makes the limits; here they are put beside what else was learned from the window, as one JSON.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from include.perennial.contracts import Contract
from include.perennial.digests import digest
from include.perennial.gate.evidence import Floats, Integers
from include.perennial.monitor.cells import Cells, number_cells
from include.perennial.monitor.measurement import Interval
from include.perennial.monitor.reference import SLOTS, Window
from include.perennial.monitor.signals import Counts
from include.perennial.monitor.thresholds import Limit, alarm_rate, drift_limits, expected_performance, volume_limit
from include.perennial.spec import Metric, PipelineSpec

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
    ``zeros``, ``ones``  sampled rows by label
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
    metric_values: tuple[float, ...]
    expected: float
    expected_interval: Interval
    knots_p: tuple[float, ...]
    knots_rate: tuple[float, ...]

    @property
    def sha256(self) -> str:
        """Names the thresholds by their content."""
        return digest(self.model_dump(mode="json"))

    @property
    def importance(self) -> dict[str, float]:
        """Share of the champion's importance of each compared column."""
        return {column.cells.column: column.importance for column in self.columns}

    @property
    def training_rate(self) -> float:
        """Share of ones in the window."""
        return self.ones / max(1, self.zeros + self.ones)

    @property
    def counts(self) -> Counts:
        """The window as one group."""
        columns = tuple(column.counts for column in self.columns)
        return Counts(columns, self.predictions.counts, np.array([[self.zeros, self.ones]], dtype=float))

    def count(self, x: pd.DataFrame, p: Floats, y: Integers | None) -> Counts:
        """The rows of one partition as one group; a column that is gone counts as missing everywhere."""
        everything = np.zeros(len(p), dtype=int)
        return _count([column.cells for column in self.columns], self.predictions.cells, x, p, y, everything, 1)


def settings_digest(spec: PipelineSpec) -> str:
    """Names everything in the spec that a calibration depends on."""
    monitor = spec.monitor
    settings = [monitor.drift.model_dump(mode="json"), monitor.false_alarms_per_quarter]
    return digest([FORMAT, *settings, str(spec.gate.compare.metric), spec.data.model_dump(mode="json"), spec.seed])


def calibrate(spec: PipelineSpec, window: Window, champion_version: str) -> Calibration:
    """The calibration of ``window``: the same window and spec give the same one. Needs neither model nor store."""
    rate = alarm_rate(spec)
    predictions = number_cells("prediction", window.p)
    by_slot = _count(window.cells, predictions, window.x, window.p, window.y, window.slot, len(window.keys) * SLOTS)
    whole = by_slot.summed()
    limits = drift_limits(spec, window.cells, predictions, window.importance, by_slot, rate / 2)
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
        zeros=int((window.y == 0).sum()),
        ones=int((window.y == 1).sum()),
        columns=tuple(_reference(cells, rows, window.importance.get(cells.column, 0.0)) for cells, rows in columns),
        predictions=_reference(predictions, whole.predictions, 0.0),
        limits=(*limits, volume_limit(window.rows, rate / 2)),
        metric=spec.gate.compare.metric,
        metric_values=window.metric_values,
        expected=expected,
        expected_interval=interval,
        knots_p=window.knots_p,
        knots_rate=window.knots_rate,
    )


def _reference(cells: Cells, counts: Floats, importance: float) -> ColumnReference:
    return ColumnReference(cells=cells, rows=tuple(int(n) for n in counts.ravel()), importance=importance)


def _count(
    cells: Sequence[Cells],
    predictions: Cells,
    x: pd.DataFrame,
    p: Floats,
    y: Integers | None,
    groups: Integers,
    n_groups: int,
) -> Counts:
    gone = pd.Series(np.full(len(x), np.nan), index=x.index)
    return Counts(
        columns=tuple(of.count(x.get(of.column, gone), groups, n_groups) for of in cells),
        predictions=predictions.count(pd.Series(p), groups, n_groups),
        labels=None if y is None else np.bincount(groups * 2 + y, minlength=n_groups * 2).reshape(-1, 2).astype(float),
    )
