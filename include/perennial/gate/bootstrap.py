"""How sure a difference between two models is, when rows are not independent.

Rows of one cluster (say, the flights of one airport and day) share their luck. Treating them as
independent makes intervals far too narrow, so whole clusters are drawn with replacement, the same
draw for both models: the paired cluster bootstrap (Davison & Hinkley 1997, section 3.8; Field &
Welsh 2007, "Bootstrapping clustered data", JRSS B 69). DeLong's interval for AUC differences is
not used for the same reason: it assumes independent rows.

The interval is ``estimate ± t * se``: ``se`` the standard deviation over the resamples, times
``sqrt(C / (C - 1))`` since a bootstrap of C clusters is too narrow by that factor, and ``t`` Student's
quantile on ``C - 1`` degrees of freedom. Efron's percentiles are not used because a holdout of a
week has few clusters: with two equally good models they call one of them worse in 9 % of trials at
7 clusters and 7 % at 21, where 5 % is nominal and this interval stays at or below 5 %
(Hesterberg 2015, The American Statistician 69, names the defect; ``tests/unit/gate`` repeats the trial).

A resample is a row of cluster counts. A difference of means is then a matrix product with cluster
sums, and an AUC difference a quadratic form in the matrix of pairs won between clusters, so that
no resample ever copies or sorts rows.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from include.perennial.gate.arrays import Floats, Integers, Labels
from include.perennial.gate.tasks import BINARY, Task
from include.perennial.spec import LOWER_IS_BETTER, Metric

MIN_CLUSTERS = 5
"""With fewer, no interval is given; down to this number its coverage was seen to hold in simulation."""

_MAX_DEGENERATE_SHARE = 0.1
_MAX_CLUSTERS_FOR_PAIRS = 128
_CHUNK_ELEMENTS = 1 << 20

Statistic = Callable[[Floats], Floats]


@dataclass(frozen=True)
class PairedDifference:
    """A candidate's improvement over a champion on the same rows; positive means that the candidate is better.

    ``interval`` is two-sided at the asked confidence. It is ``(nan, nan)`` where none can be given: fewer than
    ``MIN_CLUSTERS`` clusters, one class only, or more than a tenth of the resamples without both classes.
    """

    metric: Metric
    candidate: float
    champion: float
    improvement: float
    interval: tuple[float, float]
    clusters: int
    resamples: int
    degenerate: int

    @property
    def is_sure(self) -> bool:
        """Whether there is an interval at all."""
        return all(math.isfinite(bound) for bound in self.interval)


def paired_difference(
    metric: Metric,
    y: Labels,
    p_candidate: Floats,
    p_champion: Floats,
    clusters: Integers,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    task: Task = BINARY,
) -> PairedDifference:
    """Improvement of the candidate over the champion with its clustered interval.

    Args:
        metric: one of ``task.comparable``.
        y: labels of ``task``, shape ``(n,)``.
        p_candidate, p_champion: predictions of the same rows, shape ``(n,)`` or ``(n, classes)``.
        clusters: cluster code of each row, shape ``(n,)``.
        seed: the same seed draws the same clusters.

    Raises:
        ValueError: the metric cannot be compared, lengths differ, or predictions are not sound.
    """
    y, p_candidate, p_champion = np.asarray(y), np.asarray(p_candidate, float), np.asarray(p_champion, float)
    _refuse(task, metric, y, p_candidate, p_champion, np.asarray(clusters))
    labels, codes = np.unique(clusters, return_inverse=True)
    statistic = _auc_differences(task) if metric is Metric.ROC_AUC else _mean_difference(metric, task)
    drawn = _resample(statistic(y, p_candidate, p_champion, codes, len(labels)), len(labels), len(y), resamples, seed)
    candidate, champion = task.measure(metric, y, p_candidate), task.measure(metric, y, p_champion)
    improvement = champion - candidate if metric in LOWER_IS_BETTER else candidate - champion
    half_width = _half_width(drawn, len(labels), confidence)
    return PairedDifference(
        metric=metric,
        candidate=candidate,
        champion=champion,
        improvement=improvement,
        interval=(improvement - half_width, improvement + half_width),
        clusters=len(labels),
        resamples=resamples,
        degenerate=int(np.isnan(drawn).sum()),
    )


def _refuse(task: Task, metric: Metric, y: Labels, p_candidate: Floats, p_champion: Floats, clusters: Integers) -> None:
    if metric not in task.comparable:
        raise ValueError(f"Metric {metric} cannot be compared: allowed {', '.join(sorted(task.comparable))}.")
    lengths = {len(y), len(p_candidate), len(p_champion), len(clusters)}
    if len(lengths) > 1:
        raise ValueError(f"Labels, predictions and clusters differ in length: got {sorted(lengths)}, expected one.")
    for name, p in (("candidate", p_candidate), ("champion", p_champion)):
        if not task.are_sound(p, metric):
            raise ValueError(f"Predictions of the {name} are not all {task.sound_words}, or there are none.")


def _half_width(drawn: Floats, clusters: int, confidence: float) -> float:
    """Half the interval's width from the resampled differences (NaN marks a degenerate resample)."""
    usable = drawn[~np.isnan(drawn)]
    if clusters < MIN_CLUSTERS or len(usable) < (1 - _MAX_DEGENERATE_SHARE) * len(drawn):
        return math.nan
    quantile = student.ppf((1 + confidence) / 2, clusters - 1)
    return float(quantile * usable.std(ddof=1) * math.sqrt(clusters / (clusters - 1)))


def _resample(statistic: Statistic, clusters: int, rows: int, resamples: int, seed: int) -> Floats:
    counts = _cluster_counts(clusters, resamples, max(1, _CHUNK_ELEMENTS // max(rows, clusters)), seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.concatenate([statistic(chunk) for chunk in counts])


def _cluster_counts(clusters: int, resamples: int, chunk: int, seed: int) -> Iterator[Floats]:
    """How often each cluster is drawn, shape ``(<= chunk, clusters)`` at a time."""
    rng = np.random.Generator(np.random.PCG64(seed))
    for start in range(0, resamples, chunk):
        n = min(chunk, resamples - start)
        cells = rng.integers(0, clusters, size=(n, clusters)) + np.arange(n)[:, None] * clusters
        yield np.bincount(cells.ravel(), minlength=n * clusters).reshape(n, clusters).astype(float)


# A statistic takes cluster counts of shape (b, clusters) and gives b differences, NaN where undefined.


def _mean_difference(metric: Metric, task: Task = BINARY) -> Callable[..., Statistic]:
    def build(y: Labels, p_candidate: Floats, p_champion: Floats, codes: Integers, clusters: int) -> Statistic:
        ours, theirs = task.losses(metric, y, p_candidate), task.losses(metric, y, p_champion)
        sizes = np.bincount(codes, minlength=clusters)
        if metric is Metric.RMSE:
            of_ours, of_theirs = (np.bincount(codes, weights=losses, minlength=clusters) for losses in (ours, theirs))
            return lambda counts: (
                np.sqrt(counts @ of_theirs / (counts @ sizes)) - np.sqrt(counts @ of_ours / (counts @ sizes))
            )
        gains = np.bincount(codes, weights=theirs - ours, minlength=clusters)
        return lambda counts: (counts @ gains) / (counts @ sizes)

    return build


def _auc_differences(task: Task) -> Callable[..., Statistic]:
    """The mean over the task's rankings: one of two classes, one against the rest for each class of more."""

    def build(y: Labels, p_candidate: Floats, p_champion: Floats, codes: Integers, clusters: int) -> Statistic:
        pairs = zip(task.rankings(y, p_candidate), task.rankings(y, p_champion), strict=True)
        found = [_auc_difference(is_class, ours, theirs, codes, clusters) for (is_class, ours), (_, theirs) in pairs]
        return lambda counts: np.mean([difference(counts) for difference in found], axis=0)

    return build


def _auc_difference(y: Integers, p_candidate: Floats, p_champion: Floats, codes: Integers, clusters: int) -> Statistic:
    positives, negatives = (np.bincount(codes[y == label], minlength=clusters) for label in (1, 0))
    pairs_won = _pairs_by_matrix if clusters <= _MAX_CLUSTERS_FOR_PAIRS else _pairs_by_ranks
    candidate, champion = pairs_won(y, p_candidate, codes, clusters), pairs_won(y, p_champion, codes, clusters)
    return lambda counts: (candidate(counts) - champion(counts)) / ((counts @ positives) * (counts @ negatives))


def _pairs_by_matrix(y: Integers, p: Floats, codes: Integers, clusters: int) -> Statistic:
    """Weighted number of (positive, negative) pairs in which the positive scores higher; ties count one half.

    Few clusters: the pairs won between each two clusters are counted once, a resample is a quadratic form.
    """
    p_positive, codes_positive = p[y == 1], codes[y == 1]
    won = np.empty((clusters, clusters))
    for cluster in range(clusters):
        opponents = np.sort(p[(y == 0) & (codes == cluster)])
        below = np.searchsorted(opponents, p_positive, "left") + np.searchsorted(opponents, p_positive, "right")
        won[:, cluster] = np.bincount(codes_positive, weights=below / 2, minlength=clusters)
    return lambda counts: np.einsum("bc,bc->b", counts @ won, counts)


def _pairs_by_ranks(y: Integers, p: Floats, codes: Integers, clusters: int) -> Statistic:
    """The same number for many clusters: negatives are sorted once, a resample cumulates their weights."""
    p_positive, codes_positive = p[y == 1], codes[y == 1]
    order = np.argsort(p[y == 0], kind="stable")
    opponents, codes_opponents = p[y == 0][order], codes[y == 0][order]
    left, right = np.searchsorted(opponents, p_positive, "left"), np.searchsorted(opponents, p_positive, "right")

    def won(counts: Floats) -> Floats:
        weight_below = np.zeros((len(counts), len(opponents) + 1))
        np.cumsum(counts[:, codes_opponents], axis=1, out=weight_below[:, 1:])
        below = weight_below[:, left] + weight_below[:, right]
        return np.einsum("bp,bp->b", counts[:, codes_positive], below) / 2

    return won
