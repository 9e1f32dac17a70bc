"""Thresholds from the champion's own window, for the spec's false-alarm rate.

Each run of consecutive days as long as a partition, wherever it begins, is held against the rest of the window, as
a new partition is held against the whole of it (moving blocks: Künsch 1989, Annals of Statistics 17). Days of one
storm stay together, so blocks scatter as partitions do, with the weather and the season of the window in them.
A threshold is the upper prediction bound ``(mean + t * scatter * sqrt(1 + 1/n))^2`` on the scale of square roots,
where distances, which are never negative and skewed, scatter evenly (Bartlett 1936, JRSS Supplement 3): ``n`` the
whole partitions of the window, ``t`` Student's quantile on ``n - 1`` degrees of freedom, so that a short window makes
thresholds wide instead of alarms many. Where whole partitions scatter more than blocks across their borders do,
because neighbours are unlike each other, theirs is the scatter.

Half of the allowed rate goes to drift, shared by all signals that count and scatter at all (Bonferroni); the other
half to performance.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student

from include.perennial.contracts import Contract
from include.perennial.errors import DataError
from include.perennial.gate.evidence import Floats
from include.perennial.monitor.cells import Cells
from include.perennial.monitor.drift import missing_share
from include.perennial.monitor.measurement import Interval, SignalKind
from include.perennial.monitor.reference import SLOTS
from include.perennial.monitor.signals import Counts, Name, signal_values
from include.perennial.partitions import Period
from include.perennial.spec import Metric, PipelineSpec

QUARTER_PERIODS = {Period.HOUR: 91 * 24, Period.DAY: 91, Period.WEEK: 13, Period.MONTH: 3}
SMALLEST = {
    SignalKind.FEATURE: 0.02,
    SignalKind.FEATURES: 0.02,
    SignalKind.PREDICTION: 0.02,
    SignalKind.LABEL: 0.02,
    SignalKind.NULL_RATE: 0.02,
    SignalKind.NEW_CATEGORY: 0.01,
    SignalKind.VOLUME: 0.1,
}
"""No threshold is lower: what never moved in the window may still move by what could not matter to any model."""
_OF_RANKS, _OF_SHARES = 0.495, 0.9
"""No threshold is higher, short of the signal's own maximum: no signal is blind to the worst that can happen to it.

Of ranks, that is nearly every row beyond all that the window holds, as after a change of units; .45 is what a hot or
cold week reaches.
"""
_MAX_RATE = 0.5


class Limit(Contract):
    """A threshold and what it was made of: mean and standard deviation of the signal over the window's blocks."""

    kind: SignalKind
    name: str
    mean: float
    scatter: float
    threshold: float
    counts: bool
    importance: float | None = None


def alarm_rate(spec: PipelineSpec) -> float:
    """Chance of a violation that the spec allows a partition in which nothing has changed."""
    return min(spec.monitor.false_alarms_per_quarter / QUARTER_PERIODS[spec.period], _MAX_RATE)


def drift_limits(
    spec: PipelineSpec,
    columns: Sequence[Cells],
    predictions: Cells,
    importance: dict[str, float],
    by_slot: Counts,
    rate: float,
    labels: Cells | None = None,
) -> tuple[Limit, ...]:
    """A limit for each signal of ``signal_values``, in its order.

    Args:
        by_slot: the window's rows, ``SLOTS`` groups to each partition.
        rate: chance of a violation that all of these signals share.
        labels: cells of labels that are no classes.
    """
    blocks, whole = by_slot.blocks(SLOTS), by_slot.summed()
    values = signal_values(columns, predictions, importance, blocks, whole.without(blocks), labels)
    counting = {name for name in values if _counts(spec, name, importance)}
    sharing = sum(1 for name in counting if np.std(values[name]) > 0)
    n = len(by_slot.predictions) // SLOTS
    times = _quantile(rate / max(1, sharing), n)
    largest = _largest(columns, whole)
    return tuple(
        _limit(name, of_blocks, times, largest.get(name, _OF_RANKS), name in counting, importance)
        for name, of_blocks in values.items()
    )


def volume_limit(rows: Sequence[int], rate: float) -> Limit:
    """The limit of the absolute logarithm of a partition's rows over the usual number, at ``rate``."""
    logarithms = np.log(np.maximum(rows, 1))
    scatter = float(logarithms.std(ddof=1))
    threshold = max(SMALLEST[SignalKind.VOLUME], _quantile(rate / 2, len(rows)) * scatter)
    return Limit(kind=SignalKind.VOLUME, name="", mean=0.0, scatter=scatter, threshold=threshold, counts=False)


def expected_performance(metric: Metric, values: Sequence[float], rate: float) -> tuple[float, Interval]:
    """Mean of a window's values, and the interval beyond which one more falls with chance ``rate`` on each side.

    Partitions on which the metric is undefined (one class only) are left out.

    Raises:
        DataError: fewer than two partitions have the metric.
    """
    known = np.array([value for value in values if math.isfinite(value)])
    if len(known) < 2:
        raise DataError(
            f"{metric} is defined on {len(known)} of {len(values)} training partitions, and what to expect of the next "
            "cannot be said: expected labels for which it is defined, such as of all classes, in two partitions or "
            "more. Choose longer periods, or another gate.compare.metric."
        )
    mean, half = float(known.mean()), _quantile(rate, len(known)) * float(known.std(ddof=1))
    return mean, (mean - half, mean + half)


def _quantile(rate: float, n: int) -> float:
    """How many standard deviations above the mean of ``n`` values one more lies with chance ``rate``."""
    return float(student.ppf(1 - rate, n - 1) * math.sqrt(1 + 1 / n))


def _counts(spec: PipelineSpec, name: Name, importance: dict[str, float]) -> bool:
    column, drift = name[1], spec.monitor.drift
    return not column or (importance.get(column, 0.0) >= drift.min_importance and column not in drift.shown_only)


def _limit(
    name: Name, of_blocks: Floats, times: float, largest: float, counts: bool, importance: dict[str, float]
) -> Limit:
    kind, column = name
    roots = np.sqrt(of_blocks)
    whole = roots[::SLOTS]
    bound = max(roots.mean(), whole.mean()) + times * max(roots.std(ddof=1), whole.std(ddof=1))
    return Limit(
        kind=kind,
        name=column,
        mean=float(of_blocks.mean()),
        scatter=float(of_blocks.std(ddof=1)),
        threshold=max(SMALLEST[kind], min(float(bound) ** 2, largest)),
        counts=counts,
        importance=importance.get(column, 0.0) if column else None,
    )


def _largest(columns: Sequence[Cells], whole: Counts) -> dict[Name, float]:
    largest: dict[Name, float] = {}
    for cells, counts in zip(columns, whole.columns, strict=True):
        present = 1 - float(missing_share(counts)[0])
        largest[SignalKind.NULL_RATE, cells.column] = _OF_SHARES * present
        largest[SignalKind.NEW_CATEGORY, cells.column] = _OF_SHARES
        if cells.is_category:
            largest[SignalKind.FEATURE, cells.column] = _OF_SHARES
    return largest
