"""Performance on matured labels with its interval, and what can be said before labels come."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from include.perennial.gate.arrays import Floats, Labels
from include.perennial.gate.bootstrap import paired_difference
from include.perennial.gate.tasks import task_of
from include.perennial.monitor.measurement import EstimatedPerformance, Interval, SliceValue
from include.perennial.spec import LOWER_IS_BETTER, Metric, PipelineSpec

_SMALLEST_P = 1e-6
MAX_SLICES = 200
"""Slices kept of one partition, the largest first: what crosses XCom and the ledger stays small."""


def interval(spec: PipelineSpec, x: pd.DataFrame, y: Labels, p: Floats) -> Interval | None:
    """Clustered bootstrap interval of the compared metric, clusters and confidence as in the gate.

    Some forecast has the same value of each metric in every resample (of two classes one half for every row: AUC 1/2,
    Brier 1/4, log loss ln 2): the interval of the difference to it is the interval of the value.
    """
    compare, task = spec.gate.compare, task_of(spec)
    clusters = x.groupby(list(compare.cluster), dropna=False, sort=False).ngroup().to_numpy()
    difference = paired_difference(
        compare.metric,
        y,
        p,
        task.same_in_every_resample(y),
        clusters,
        resamples=compare.resamples,
        confidence=compare.confidence,
        seed=spec.seed,
        task=task,
    )
    if not difference.is_sure:
        return None
    low, high = difference.interval
    if compare.metric in LOWER_IS_BETTER:
        return difference.champion - high, difference.champion - low
    return difference.champion + low, difference.champion + high


def slice_values(spec: PipelineSpec, x: pd.DataFrame, y: Labels, p: Floats) -> tuple[SliceValue, ...]:
    """The compared metric in each group of the gate's slices that has the gate's number of rows."""
    if spec.gate.slices is None:
        return ()
    found = [
        value
        for column in spec.gate.slices.columns
        for value in _groups(spec, column, x[column], y, p, spec.gate.slices.min_rows)
    ]
    return tuple(sorted(found, key=lambda value: (-value.rows, value.column, value.value))[:MAX_SLICES])


def _groups(
    spec: PipelineSpec, column: str, values: "pd.Series[Any]", y: Labels, p: Floats, min_rows: int
) -> Iterator[SliceValue]:
    for name, rows in values.astype(str).groupby(values.astype(str).to_numpy()).indices.items():
        if len(rows) >= min_rows:
            value = task_of(spec).measure(spec.gate.compare.metric, y[rows], p[rows])
            yield SliceValue(
                column=column,
                value=str(name)[:80],
                rows=len(rows),
                metric_value=value if math.isfinite(value) else None,
            )


def estimate(knots_p: Sequence[float], knots_rate: Sequence[float], p: Floats) -> EstimatedPerformance:
    """Confidence-based performance estimation (CBPE; NannyML's documentation has the method).

    ``p`` is first brought onto the rates that the champion's window showed for such predictions; what the metrics
    would be, if labels came at these rates, is the estimate. Blind to a change in what a prediction means.
    """
    rate = np.interp(p, knots_p, knots_rate)
    clipped = np.clip(p, _SMALLEST_P, 1 - _SMALLEST_P)
    log_loss = -(rate * np.log(clipped) + (1 - rate) * np.log1p(-clipped)).mean()
    brier = (rate * (1 - p) ** 2 + (1 - rate) * p**2).mean()
    values = {
        Metric.ROC_AUC: _expected_auc(p, rate),
        Metric.LOG_LOSS: float(log_loss),
        Metric.BRIER: float(brier),
        "positive_rate": float(rate.mean()),
    }
    return EstimatedPerformance(metrics={str(name): value for name, value in values.items() if math.isfinite(value)})


def _expected_auc(p: Floats, rate: Floats) -> float:
    """Share of pairs (one, zero) in the right order, each row a one with probability ``rate``; ties count one half."""
    _, codes = np.unique(p, return_inverse=True)
    ones, zeros = np.bincount(codes, weights=rate), np.bincount(codes, weights=1 - rate)
    pairs = ones.sum() * zeros.sum()
    below = np.cumsum(zeros) - zeros / 2
    return float((ones * below).sum() / pairs) if pairs else math.nan
