"""Ranking metrics from ranks alone: the library's values without its checks, which dominate when hundreds are asked."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from include.perennial.gate.arrays import Labels


def rank_auc(y: Labels, values: npt.NDArray[Any]) -> float:
    """ROC AUC of ``values`` for labels ``y`` from their ranks, ties shared; 0.5 where only one class is present.

    What ``sklearn.metrics.roc_auc_score`` gives, without its checks.
    """
    positives = int(np.sum(y))
    negatives = len(y) - positives
    if not positives or not negatives:
        return 0.5
    rank_sum = rankdata(values)[y == 1].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def rank_correlation(y: Labels, values: npt.NDArray[Any]) -> float:
    """Spearman's rank correlation, ties shared, in [-1, 1]; 0 where one side is constant."""
    if len(y) < 2:
        return 0.0
    ours, theirs = rankdata(values), rankdata(y)
    if np.ptp(ours) == 0 or np.ptp(theirs) == 0:
        return 0.0
    return float(np.clip(np.corrcoef(ours, theirs)[0, 1], -1, 1))
